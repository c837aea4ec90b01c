"""This is the function's one table of HTTP statuses: each error has a problem with the client's next step."""

from shop_http.problem import ProblemError, invalid_parameter
from shop_query.application.errors import InvalidParameterError, NotFoundError, NotYetVisibleError
from shop_query.ports import ReadModelTimeoutError, ReadModelUnavailableError


def problem(error: Exception) -> ProblemError | None:
    match error:
        case NotFoundError():
            detail = f"There is no such {error.kind}."
            return ProblemError(404, "not-found", "Not found", detail, is_anothers=error.is_anothers)
        case NotYetVisibleError():
            detail = f"This {error.kind} is not visible at version {error.min_version} yet. Repeat the request."
            later = {"Retry-After": "1"}
            return ProblemError(
                412, "not-yet-visible", "Not yet visible", detail, headers=later, is_anothers=error.is_anothers
            )
        case InvalidParameterError():
            return invalid_parameter(error.parameter, error.detail)
        case ReadModelTimeoutError():
            detail = "The answer took too long. Repeat the request after the seconds in `Retry-After`, or ask for less."
            return ProblemError(503, "read-timeout", "Read timed out", detail, headers={"Retry-After": "5"})
        case ReadModelUnavailableError():
            detail = "The read model is away. Repeat the request after the seconds in `Retry-After`."
            later = {"Retry-After": str(error.retry_seconds)}
            return ProblemError(503, "read-model-unavailable", "Read model unavailable", detail, headers=later)
        case _:
            return None
