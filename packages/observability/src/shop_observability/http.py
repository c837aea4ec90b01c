"""The functions behind the HTTP API share this entry: it resolves the route, reads the caller, answers problems, and
records one trace segment and one log line for each request. It knows no route."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from shop_observability import work
from shop_observability.invocation import invocation
from shop_observability.logs import logger
from shop_observability.problem import ProblemError
from shop_observability.trace_header import request_header

ADMINISTRATORS: Final = "admin"
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SEPARATORS = re.compile(r"[\s,\[\]]+")


@dataclass(frozen=True)
class Caller:
    """The JWT authorizer names the caller: API Gateway verifies the token before it invokes the function."""

    subject: str
    groups: frozenset[str]

    @property
    def is_administrator(self) -> bool:
        return ADMINISTRATORS in self.groups


def caller(event: Mapping[str, Any]) -> Caller:
    """Raises a 401 problem when the route has no authorizer, which only a mistake in the stack can bring about."""
    claims = event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims", {})
    if not claims.get("sub"):
        raise ProblemError(
            401, "unauthenticated", "Unauthenticated", "Send an access token: `Authorization: Bearer …`."
        )
    groups = claims.get("cognito:groups") or ""
    # API Gateway turns the claim's list into the text "[admin staff]".
    names = groups if isinstance(groups, list) else _SEPARATORS.split(groups)
    return Caller(claims["sub"], frozenset(filter(None, names)))


def administrator(event: Mapping[str, Any]) -> Caller:
    """Raises a 403 problem for anyone else."""
    who = caller(event)
    if not who.is_administrator:
        raise ProblemError(403, "forbidden", "Forbidden", "Only an administrator may do this.")
    return who


def correlation_id(event: Mapping[str, Any]) -> str:
    """The client's `X-Correlation-Id` where it is well-formed, else the request's id at the gateway."""
    sent = header(event, "x-correlation-id") or ""
    return sent if _CORRELATION_ID.fullmatch(sent) else str(event["requestContext"]["requestId"])


class HttpFunction:
    """A Lambda handler around a resolver's routes."""

    def __init__(
        self,
        service: str,
        errors: Callable[[Exception], ProblemError | None],
        answered: Callable[[str, int], None] = lambda _route, _status: None,
    ) -> None:
        """`errors` is the function's one table of HTTP statuses: it turns an exception into a problem, or returns None
        for a bug. `answered` is called after each answer, with its route and its status."""
        self.service = service
        self.errors = errors
        self.answered = answered
        self.routes = APIGatewayHttpResolver()
        self.routes.not_found(lambda _: self._problem(NOT_FOUND))
        self.routes.exception_handler(Exception)(self._failed)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        started = time.monotonic()
        correlation = correlation_id(event)
        route = event.get("routeKey", "$default")
        trace = request_header(header(event, "x-amzn-trace-id"))
        with invocation(self.service, trace, correlation_id=correlation, route=route):
            answer = self.routes.resolve(event, context)
            answer["headers"]["X-Correlation-Id"] = correlation
            if trace:
                answer["headers"]["X-Amzn-Trace-Id"] = f"Root={trace.root};Sampled={int(bool(trace.sampled))}"
            _describe(event, answer)
            self.answered(route, answer["statusCode"])
            duration_ms = round((time.monotonic() - started) * 1000, 1)
            logger().info("request", extra={"status": answer["statusCode"], "duration_ms": duration_ms})
        return answer

    def _failed(self, error: Exception) -> Response[str]:
        problem = error if isinstance(error, ProblemError) else self.errors(error)
        if problem is None:
            logger().exception("unexpected error")
            problem = INTERNAL
        return self._problem(problem)

    def _problem(self, problem: ProblemError) -> Response[str]:
        event = self.routes.current_event.raw_event
        return problem.response(event["requestContext"]["http"]["path"], correlation_id(event))


def _describe(event: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Describes the request in its segment without the query, because what somebody searches for is private."""
    asked = event["requestContext"]["http"]
    work.answered(asked["method"], asked["path"], answer["statusCode"])


def header(event: Mapping[str, Any], name: str) -> str | None:
    # API Gateway sends header names in lower case (payload format 2.0).
    value: str | None = event.get("headers", {}).get(name)
    return value


NOT_FOUND: Final = ProblemError(404, "not-found", "Not found", "There is no such route; `GET /docs` lists the routes.")
INTERNAL: Final = ProblemError(
    500,
    "internal-error",
    "Internal error",
    "Something failed on our side. Repeat the request, with the same Idempotency-Key.",
)
