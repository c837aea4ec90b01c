"""The functions behind the HTTP API share this entry: it looks up the route that the gateway has matched, answers
problems, and records one trace segment and one log line for each request. It knows no route."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeVar

from shop_http.answers import HttpAnswer
from shop_http.compression import compress
from shop_http.parameters import Parameter
from shop_http.problem import ProblemError
from shop_http.request import correlation_id, header, subject
from shop_http.route import Route, Who, unnamed
from shop_observability import work
from shop_observability.invocation import invocation
from shop_observability.logs import logger
from shop_observability.metrics import Metric, count

Handler = TypeVar("Handler", bound=Callable[..., HttpAnswer])


class HttpFunction:
    """A Lambda handler around the routes that are declared with `route`."""

    def __init__(
        self,
        service: str,
        errors: Callable[[Exception], ProblemError | None],
        answered: Callable[[str, int], None] = lambda _route, _status: None,
        within: Callable[[Any], AbstractContextManager[None]] = lambda _context: nullcontext(),
    ) -> None:
        """`errors` is the function's one table of HTTP statuses: it turns an exception into a problem, or returns None
        for a bug. `answered` is called after each answer, with its route and its status. Routes are handled inside of
        `within`, which takes Lambda's context."""
        self.service = service
        self.errors = errors
        self.answered = answered
        self.within = within
        self.declared: list[Route] = []
        self._routes: dict[str, Route] = {}

    def route(
        self,
        name: str,
        *,
        tag: str,
        who: Who = Who.ANYONE,
        keyed: bool = False,
        query: tuple[Parameter[Any], ...] | None = (),
        problems: tuple[str, ...] = (),
        compress: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declares the route of the handler that it decorates; `name` is as in `POST /products/{sku}/price`.

        A route of GET answers HEAD, too. With `compress`, large answers are compressed for those who can read them.
        """
        method, path = name.split()

        def declare(handler: Handler) -> Handler:
            route = Route(method, path, handler, tag, who, keyed, query, problems, compress)
            self.declared.append(route)
            for each in (method, "HEAD") if method == "GET" else (method,):
                self._routes[unnamed(f"{each} {path}")] = route
            return handler

        return declare

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        started = time.monotonic()
        correlation = correlation_id(event)
        route = event["routeKey"]
        received = header(event, "x-amzn-trace-id")
        with invocation(self.service, received, correlation_id=correlation, route=route) as trace:
            answer = self._answer(event, context).payload()
            if event["requestContext"]["http"]["method"] == "HEAD":
                # It has the headers of GET's answer and no body. https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2
                answer |= {"body": "", "isBase64Encoded": False}
            answer["headers"]["X-Correlation-Id"] = correlation
            if trace:
                answer["headers"]["X-Amzn-Trace-Id"] = f"Root={trace.root};Sampled={int(bool(trace.sampled))}"
            _describe(event, answer)
            self.answered(route, answer["statusCode"])
            duration_ms = round((time.monotonic() - started) * 1000, 1)
            logger().info("request", extra={"status": answer["statusCode"], "duration_ms": duration_ms})
        return answer

    def _answer(self, event: Mapping[str, Any], context: Any) -> HttpAnswer:
        route, replays = self._routes.get(unnamed(event["routeKey"])), list[bool]()
        if route is None:
            return _refused(event, NOT_FOUND)
        try:
            with self.within(context):
                answer = route.answer(event, lambda: replays.append(True))
            if route.compress:
                compress(answer, header(event, "accept-encoding"))
        except Exception as error:  # noqa: BLE001 - a bug is logged and answered, too
            answer = self._failed(event, error)
        if replays:
            answer.headers["Idempotent-Replayed"] = "true"
            if location := answer.headers.get("Location"):
                # The first answer is given again, however much has happened since.
                answer.headers["Link"] = f'<{location}>; rel="status"'  # https://www.rfc-editor.org/rfc/rfc8631
        return answer

    def _failed(self, event: Mapping[str, Any], error: Exception) -> HttpAnswer:
        problem = error if isinstance(error, ProblemError) else self.errors(error)
        if problem is None:
            logger().exception("unexpected error")
            problem = INTERNAL
        return _refused(event, problem)


def _refused(event: Mapping[str, Any], problem: ProblemError) -> HttpAnswer:
    _count_refusal(event, problem)
    return problem.answer(event["requestContext"]["http"]["path"], correlation_id(event))


def _count_refusal(event: Mapping[str, Any], problem: ProblemError) -> None:
    """A caller who may not have what was asked for is named, with the kind of the refusal, in log and trace."""
    if problem.is_anothers:
        kind, metric = "not-owner", Metric.REFUSALS_NOT_OWNER
    elif problem.status in _REFUSALS:
        kind, metric = problem.slug, _REFUSALS[problem.status]
    else:
        return
    count(metric)
    work.annotate(refusal=kind)
    if who := subject(event):
        work.annotate(actor=who)


def _describe(event: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Describes the request in its segment without the query, because what somebody searches for is private."""
    asked = event["requestContext"]["http"]
    work.answered(asked["method"], asked["path"], answer["statusCode"])


_REFUSALS: Final = {401: Metric.REFUSALS_UNAUTHENTICATED, 403: Metric.REFUSALS_FORBIDDEN}
NOT_FOUND: Final = ProblemError(404, "not-found", "Not found", "There is no such route; `GET /docs` lists the routes.")
INTERNAL: Final = ProblemError(
    500,
    "internal-error",
    "Internal error",
    "Something failed on our side. Repeat the request, with the same Idempotency-Key.",
)
