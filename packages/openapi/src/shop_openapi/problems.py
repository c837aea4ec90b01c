"""A problem type is documented by a sample from the code and by prose. `catalogue` has the prose of each."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shop_http.problem import TYPE_BASE, ProblemError
from shop_openapi.schemas import Schema, schema_of

NEVER: Final = "No: it is refused again."
SAME_KEY: Final = (
    "Yes, with the same key, after the seconds in `Retry-After`. It has one effect, however often it is sent."
)


@dataclass(frozen=True)
class Problem:
    sample: ProblemError
    """The code has made it, so its status, title, detail and headers are the code's. `detail` says what to do."""
    means: str
    when: str
    retry: str = NEVER
    """Whether the same request helps, sent again with the same Idempotency-Key."""
    instance: str = "/reservations"
    extensions: Mapping[str, Schema] = field(default_factory=dict)
    """An extension that is not here has the type of its sample."""

    @property
    def slug(self) -> str:
        return self.sample.slug

    @property
    def component(self) -> str:
        """Names the schema of the problem type."""
        return "".join(part.capitalize() for part in self.slug.split("-")) + "Problem"

    def schema(self) -> Schema:
        extensions = {name: schema_of(value) for name, value in self.sample.extensions.items()}
        return {
            "description": self.means,
            "allOf": [{"$ref": "#/components/schemas/Problem"}],
            "type": "object",
            "properties": {
                "type": {"const": f"{TYPE_BASE}/{self.slug}"},
                "status": {"const": self.sample.status},
                **extensions,
                **self.extensions,
            },
            **({"required": list(extensions)} if extensions else {}),
        }

    def example(self) -> Schema:
        answer = self.sample.answer(self.instance, "checkout-7f3a")
        return dict(json.loads(str(answer.body)))


BASE: Final[Schema] = {
    "type": "object",
    "description": "RFC 9457. `type` is for programs, `detail` tells a person what to do.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "correlation_id": {"type": "string", "description": "Name it when you ask us about this answer."},
    },
    "required": ["type", "title", "status", "detail", "instance", "correlation_id"],
}


def raised(action: Callable[..., object], *arguments: Any) -> ProblemError:
    """Returns the problem that a call raises."""
    try:
        action(*arguments)
    except ProblemError as problem:
        return problem
    raise AssertionError(f"{action} raised no problem")


def answered(errors: Callable[[Exception], ProblemError | None], error: Exception) -> ProblemError:
    """Returns the problem that a function's table makes of an exception."""
    problem = errors(error)
    assert problem is not None, f"{error!r} is in no table"  # noqa: S101 - the table has changed
    return problem
