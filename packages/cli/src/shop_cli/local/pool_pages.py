"""The pages of a user pool that the emulator lacks: sign-up and a forgotten password, at the paths that AWS has them.

Run by the emulator's own Python, before ministack, whose API does the work. Nobody is sent an e-mail on this machine,
so each page names the code that one would have brought.
https://docs.aws.amazon.com/cognito/latest/developerguide/managed-login-endpoints.html
"""

import html
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

BODY_BYTES_MAX = 10_000


class Step(NamedTuple):
    title: str
    action: str
    """The form is for this action of Cognito's API."""
    fields: dict[str, str]
    """The form's inputs have these names in the API and these types in HTML."""
    next_path: str
    """The next step has this path."""
    hint: str = ""


SIGN_IN = "/oauth2/authorize"
STEPS = {
    "/signup": Step("Sign up", "SignUp", {"Username": "text", "Password": "password"}, "/confirmUser"),
    "/confirmUser": Step(
        "Confirm your account",
        "ConfirmSignUp",
        {"Username": "hidden", "ConfirmationCode": "text"},
        SIGN_IN,
        "The local pool sends no e-mail: the code is 123456.",
    ),
    "/forgotPassword": Step("Forgot your password?", "ForgotPassword", {"Username": "text"}, "/confirmForgotPassword"),
    "/confirmForgotPassword": Step(
        "Change your password",
        "ConfirmForgotPassword",
        {"Username": "hidden", "ConfirmationCode": "text", "Password": "password"},
        SIGN_IN,
        "The local pool sends no e-mail: the code is 654321.",
    ),
}
LABELS = {"Username": "E-mail", "Password": "Password", "ConfirmationCode": "Code"}


@dataclass(frozen=True)
class PoolPages:
    """`shell` lays a page out as ministack does its own: from a title, a heading and the body's HTML."""

    application: Application
    shell: Callable[[str, str, str], str]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        step = STEPS.get(scope["path"]) if scope["type"] == "http" else None
        if step is None or scope["method"] not in ("GET", "POST"):
            await self.application(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        given: dict[str, str] = {}
        if scope["method"] == "POST":
            given = dict(parse_qsl((await read(receive)).decode(), keep_blank_values=True))
            error = await self._refusal(scope, step, given, query)
            if not error and step.next_path == SIGN_IN:
                await answer(send, 303, "", [(b"location", f"{SIGN_IN}?{query}".encode("latin-1"))])
                return
            step = step if error else STEPS[step.next_path]
        else:
            error = ""
        await answer(send, 200, self._page(step, given, query, error))

    async def _refusal(self, scope: Message, step: Step, given: dict[str, str], query: str) -> str:
        """Asks ministack, and returns why it has refused, or nothing."""
        body: dict[str, Any] = {name: given.get(name, "") for name in step.fields}
        body["ClientId"] = dict(parse_qsl(query)).get("client_id", "")
        if step.action == "SignUp":
            body["UserAttributes"] = [{"Name": "email", "Value": body["Username"]}]
        target = f"AWSCognitoIdentityProviderService.{step.action}".encode()
        headers = [(name, value) for name, value in scope["headers"] if name == b"host"]
        headers += [(b"x-amz-target", target), (b"content-type", b"application/x-amz-json-1.1")]
        inner = {**scope, "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "headers": headers}
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

        async def keep(message: Message) -> None:
            sent.append(message)

        await self.application(inner, receive, keep)
        if sent[0]["status"] == 200:
            return ""
        refusal = json.loads(b"".join(message.get("body", b"") for message in sent[1:]))
        return str(refusal.get("message") or refusal["__type"])

    def _page(self, step: Step, given: dict[str, str], query: str, error: str) -> str:
        path = next(path for path, each in STEPS.items() if each is step)
        inputs = []
        for name, kind in step.fields.items():
            value = html.escape(given.get(name, "") if kind != "password" else "")
            label = f'<label for="{name}">{LABELS[name]}</label>' if kind != "hidden" else ""
            inputs.append(f'{label}<input type="{kind}" id="{name}" name="{name}" value="{value}" required>')
        notes = [f'<div class="error" role="alert">{html.escape(error)}</div>'] if error else []
        notes += [f"<p>{step.hint}</p>"] if step.hint else []
        action = f"{path}?{html.escape(query)}"
        form = [f'<form method="POST" action="{action}">', *inputs, '<button type="submit">Continue</button></form>']
        return self.shell(step.title, step.title, "\n".join([*notes, *form]))


def link_pages(cognito: Any) -> None:
    """Adds to ministack's sign-in form what AWS's has: the ways to an account and to another password."""
    form = cognito._login_page_html

    def with_links(client_id: str, redirect_uri: str, scope: str, state: str, *others: Any, **named: Any) -> str:
        query = urlencode(
            {
                "response_type": "code",
                "client_id": client_id,
                "redirect_uri": redirect_uri,
                "scope": scope,
                "state": state,
                **dict(zip(("code_challenge", "code_challenge_method"), others[1:3], strict=False)),
            }
        )
        links = "".join(
            f'<p><a href="{path}?{html.escape(query)}">{STEPS[path].title}</a></p>'
            for path in ("/signup", "/forgotPassword")
        )
        page = str(form(client_id, redirect_uri, scope, state, *others, **named))
        return page.replace("</form>", f"</form>{links}")

    cognito._login_page_html = with_links


async def read(receive: Receive) -> bytes:
    body = b""
    while len(body) <= BODY_BYTES_MAX:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body
    return b""


async def answer(send: Send, status: int, page: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = page.encode()
    content = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*content, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
