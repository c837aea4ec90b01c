"""Makes the page on which a person completes or fails 3-D Secure, as the page of a bank. It needs no script."""

from html import escape
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response

from .stripe.amounts import written

RESULTS: Final = {"complete": "succeeded", "fail": "failed"}
"""Each button of the page leads to this `redirect_status`, in which Stripe reports the result to the shop's page."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",  # the page's address has the client secret
    "X-Content-Type-Options": "nosniff",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 4rem auto; padding: 0 1rem }}
button {{ font: inherit; padding: 0.7rem 1.2rem; margin: 0 0.5rem 0.5rem 0 }}</style>
<main><h1>{title}</h1>{content}</main>
</html>
"""
_FORM: Final = """
<p>The shop asks for {amount}. This is a test: no bank is asked.</p>
<form method="post" action="{action}">
<input type="hidden" name="client_secret" value="{secret}">
<button name="result" value="complete">Complete authentication</button>
<button name="result" value="fail">Fail authentication</button>
</form>
"""


def page(intent: dict[str, Any] | None) -> Response:
    """Returns the page for an intent that waits for its customer; None stands for one that does not."""
    if intent is None:
        return _html(
            "Nothing to authenticate", "<p>This payment does not wait for you, or the address is wrong.</p>", 404
        )
    values = {
        "amount": written(intent["amount"], intent["currency"]),
        "action": f"/3d-secure/{intent['id']}",
        "secret": intent["client_secret"],
    }
    return _html("3-D Secure", _FORM.format(**{name: escape(str(value)) for name, value in values.items()}), 200)


def back(return_url: str, intent_id: str, result: str) -> Response:
    """Sends the browser back. Stripe adds the client secret too, which the shop needs from nobody."""
    url = urlsplit(return_url)
    added = {"payment_intent": intent_id, "redirect_status": RESULTS[result]}
    query = urlencode([*parse_qsl(url.query, keep_blank_values=True), *added.items()])
    return RedirectResponse(url._replace(query=query).geturl(), 303, headers=_HEADERS)


def returned() -> Response:
    """Returns the page that stands for the shop's own as long as it has none."""
    return _html("Thank you", "<p>You can close this page: the shop finds out how it ended.</p>", 200)


def _html(title: str, content: str, status: int) -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), content=content), status, headers=_HEADERS)
