"""A problem type is documented by a sample from the code and by prose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shop_http.problem import ProblemError
from shop_openapi.declarations import Schema

NEVER: Final = "No: it is refused again."
SAME_KEY: Final = (
    "Yes, with the same key, after the seconds in `Retry-After`. It has one effect, however often it is sent."
)


@dataclass(frozen=True)
class Problem:
    slug: str
    sample: Callable[[], ProblemError]
    """Returns what the code raises, whose status, title, detail and headers are documented."""
    means: str
    when: str
    do: str
    retry: str = NEVER
    """Whether the same request helps, sent again with the same Idempotency-Key."""
    extensions: Mapping[str, Schema] = field(default_factory=dict)
    instance: str = "/reservations"


def raised(action: Callable[..., object], *arguments: Any) -> Callable[[], ProblemError]:
    """Samples the problem that a call raises."""

    def sample() -> ProblemError:
        try:
            action(*arguments)
        except ProblemError as problem:
            return problem
        raise AssertionError(f"{action} raised no problem")

    return sample


def answered(errors: Callable[[Exception], ProblemError | None], error: Exception) -> Callable[[], ProblemError]:
    """Samples the problem that a function's table makes from an exception."""

    def sample() -> ProblemError:
        problem = errors(error)
        assert problem is not None, f"{error!r} is in no table"  # noqa: S101 - the table has changed
        return problem

    return sample
