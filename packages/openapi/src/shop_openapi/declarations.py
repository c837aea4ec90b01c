"""An operation documents a route. The routes themselves are in the resolvers, and the bodies are the handlers'."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from pydantic import BaseModel

Schema = dict[str, Any]
Model = type[BaseModel]


class Who(Enum):
    ANYONE = "anyone"
    CUSTOMER = "a customer, with an access token"
    ADMINISTRATOR = "an administrator, with an access token"


@dataclass(frozen=True)
class Parameter:
    name: str
    place: Literal["query", "header", "path"]
    description: str
    schema: Schema
    example: str | int | bool
    required: bool = False


@dataclass(frozen=True)
class BodyShape:
    model: Model | None
    """It is None where somebody else defines the JSON."""
    example: Any
    reads_json: bool = True
    """Whether the route itself checks type and form, and has the problems that go with it."""


@dataclass(frozen=True)
class AnswerShape:
    status: int
    description: str
    body: Model | str | None
    """A model, or the media type of what is no JSON; None where there is no body."""
    example: Any = None
    headers: Mapping[str, Schema] = field(default_factory=dict)
    """These headers are always there."""


@dataclass(frozen=True)
class Operation:
    """Its problems are its own ones: those that come with `who`, `body` and `keyed` are added."""

    id: str
    tag: str
    summary: str
    description: str
    answers: tuple[AnswerShape, ...]
    problems: tuple[str, ...] = ()
    who: Who = Who.ANYONE
    parameters: tuple[Parameter, ...] = ()
    body: BodyShape | None = None
    keyed: bool = False
    """It takes an Idempotency-Key."""

    def slugs(self) -> frozenset[str]:
        slugs = {*self.problems, "internal-error"}
        if self.who is not Who.ANYONE:
            slugs.add("unauthenticated")
        if self.who is Who.ADMINISTRATOR:
            slugs.add("forbidden")
        if self.keyed:
            slugs |= {"idempotency-key-required", "idempotency-key-malformed", "idempotency-key-reused"}
        if self.body:
            slugs.add("body-too-large")
        if self.body and self.body.reads_json:
            slugs |= {"malformed-json", "invalid-request", "unsupported-media-type"}
        return frozenset(slugs)


Operations = Mapping[str, Operation]
"""By method and path, such as `GET /products/{sku}`."""

LOCATION: Final = {"Location": {"description": "The path of what it is about.", "schema": {"type": "string"}}}
RETRY_AFTER: Final = {
    "Retry-After": {"description": "After how many seconds to ask again.", "schema": {"type": "integer", "minimum": 1}}
}
ETAG: Final = {
    "ETag": {"description": "Of this very answer; for `If-None-Match`.", "schema": {"type": "string"}},
}
CONTENT_SECURITY_POLICY: Final = {
    "Content-Security-Policy": {"description": "No other host is asked for anything.", "schema": {"type": "string"}}
}
