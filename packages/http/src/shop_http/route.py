"""A route is declared once, beside its handler: the entry enforces the declaration, and the API's document shows it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple, Protocol, Self

from shop_http.answers import HttpAnswer
from shop_http.parameters import Parameter, Value
from shop_http.problem import ProblemError, invalid_parameter, invalid_request
from shop_http.request import ANONYMOUS, Caller, administrator, caller, correlation_id, header
from shop_observability import work

IDEMPOTENCY_KEY: Final = r"[\x21-\x7e]{1,255}"
"""A key with a comma is refused as well. The pattern does not say so, because a narrower one would break the promise of
the last release."""
_KEY: Final = re.compile(IDEMPOTENCY_KEY)
PARAMETER: Final = re.compile(r"\{([^}]+)\}")


@lru_cache(maxsize=64)  # the gateway has fewer routes
def unnamed(route: str) -> str:
    """Returns what a route's name has in common with the gateway's, where parameters of paths may have other names."""
    return PARAMETER.sub("{}", route)


class Who(Enum):
    ANYONE = "anyone"
    CUSTOMER = "a customer, with an access token"
    ADMINISTRATOR = "an administrator, with an access token"


class RequestBody(Protocol):
    @classmethod
    def read(cls, event: Mapping[str, Any]) -> Self:
        """Raises a problem for anything but a document of this shape."""

    def content(self) -> Mapping[str, Any]:
        """Returns what a repeat of the request has to send again."""


class HttpRequest(NamedTuple):
    """One request, as far as its route's declaration has checked it."""

    event: Mapping[str, Any]
    who: Who
    """It is what the route asks of its callers."""
    caller: Caller
    idempotency_key: str
    """It is empty where the route takes none."""
    query: Mapping[str, Any]
    content: Mapping[str, Any]
    """It holds all that was sent in the path and in the body."""
    replay: Callable[[], None]
    """It is to be called where an earlier request with this key had the effect: the answer, even a refusal, says so."""

    def value(self, parameter: Parameter[Value]) -> Value:
        """Raises KeyError for a parameter that the route does not declare."""
        value: Value = self.query[parameter.name]
        return value

    def header(self, name: str) -> str | None:
        return header(self.event, name)

    @property
    def id(self) -> str:
        return str(self.event["requestContext"]["requestId"])

    @property
    def correlation_id(self) -> str:
        return correlation_id(self.event)


@dataclass(frozen=True)
class Route:
    """The handler's signature belongs to the declaration: a parameter `body` is the type of the body, the return type
    names the answers, and the docstring is the route's summary and description."""

    method: str
    path: str
    """It marks its parameter as API Gateway does: `/products/{sku}`. There the name may be another."""
    handler: Callable[..., HttpAnswer]
    tag: str
    who: Who
    keyed: bool
    """A keyed route refuses a request without an Idempotency-Key."""
    query: tuple[Parameter[Any], ...] | None
    """Any other parameter is refused; None stands for a page, which ignores what is in the query string."""
    problems: tuple[str, ...]
    """It names the problems that are the route's own; those that come with the declaration are added."""
    compress: bool = False
    body: type[RequestBody] | None = field(init=False)
    parameters: list[str] = field(init=False)
    """It has the name of the path's parameter. Of two, nothing would say which is which, as their names may differ."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", self.handler.__annotations__.get("body"))
        object.__setattr__(self, "parameters", PARAMETER.findall(self.path))
        if len(self.parameters) > 1:
            raise ValueError(f"{self.name}: a path may have one parameter")

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def answer(self, event: Mapping[str, Any], replay: Callable[[], None] = lambda: None) -> HttpAnswer:
        """Raises a problem for the first thing that the declaration does not allow."""
        path = dict(zip(self.parameters, (event.get("pathParameters") or {}).values(), strict=True))
        checked = self._caller(event), self._key(event), self._query(event)
        if self.body is None:
            if event.get("body"):
                errors = [{"pointer": "", "detail": "This route takes no body."}]
                raise invalid_request("Send the request without a body.", errors)
            return self.handler(HttpRequest(event, self.who, *checked, path, replay), **path)
        body = self.body.read(event)
        return self.handler(
            HttpRequest(event, self.who, *checked, {**path, **body.content()}, replay), body=body, **path
        )

    def _caller(self, event: Mapping[str, Any]) -> Caller:
        if self.who is Who.ANYONE:
            return ANONYMOUS
        if self.who is Who.CUSTOMER:
            return caller(event)
        found = administrator(event)
        work.annotate(actor=found.subject)
        return found

    def _key(self, event: Mapping[str, Any]) -> str:
        if not self.keyed:
            return ""
        key = header(event, "idempotency-key")
        if not key:
            detail = "Send an Idempotency-Key header: a new random value for each purpose, the same one for a repeat."
            raise ProblemError(400, "idempotency-key-required", "Idempotency-Key required", detail)
        # Proxies and the gateway join the values of a repeated header by a comma, and then it is nobody's key.
        if not _KEY.fullmatch(key) or "," in key:
            detail = (
                "Send one Idempotency-Key, a UUID for example: 1 to 255 visible ASCII characters, no space, no comma."
            )
            raise ProblemError(400, "idempotency-key-malformed", "Idempotency-Key malformed", detail)
        return key

    def _query(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.query is None:
            return {}
        # API Gateway leaves the field out when the query string is empty, and joins repeated parameters by commas.
        given: Mapping[str, str] | None = event.get("queryStringParameters")
        if not given:
            return self._defaults
        known = self._known
        for name in given:
            if name not in known:
                allowed = ", ".join(known) or "none"
                raise invalid_parameter(name[:100], f"There is no such parameter here. Allowed: {allowed}.")
        return self._defaults | {name: known[name].read(text) for name, text in given.items()}

    @cached_property
    def _known(self) -> dict[str, Parameter[Any]]:
        return {parameter.name: parameter for parameter in self.query or ()}

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        return {name: parameter.default for name, parameter in self._known.items()}
