"""A read that fails is answered with one of these problems."""

from typing import Final

from shop_openapi.problem import Problem, answered
from shop_query.application.errors import NotYetVisibleError
from shop_query.handlers.problems import problem
from shop_query.ports import Query, ReadModelTimeoutError, ReadModelUnavailableError

_AGAIN: Final = "Yes, after the seconds in `Retry-After`. A read changes nothing."

OF_QUERIES: Final = (
    Problem(
        "not-yet-visible",
        answered(problem, NotYetVisibleError("product", "MUG-BLUE", 4)),
        "What you want to read back has not reached the read model yet.",
        "A read with `min_version` has waited 2 s for that version. It is late, or does not exist.",
        "Wait for `Retry-After` and repeat it. If it never comes, `min_version` is no `stream_version` of this thing.",
        _AGAIN,
        instance="/products/MUG-BLUE",
    ),
    Problem(
        "read-model-unavailable",
        answered(problem, ReadModelUnavailableError(Query.PRODUCTS, "connection refused")),
        "The database that answers reads is away for a moment. Commands still work.",
        "It is being restarted or moved, or a connection to it was cut.",
        "Wait for `Retry-After` and repeat it.",
        _AGAIN,
        instance="/products",
    ),
    Problem(
        "read-timeout",
        answered(problem, ReadModelTimeoutError(Query.PRODUCTS, "3 s")),
        "The answer took longer than we let it.",
        "The database is overloaded, or the question is too large.",
        "Wait for `Retry-After` and repeat it, or ask for less.",
        _AGAIN,
        instance="/products",
    ),
)
