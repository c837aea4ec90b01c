"""Errors are answered as RFC 9457 problem details. https://www.rfc-editor.org/rfc/rfc9457"""

import json
from collections.abc import Mapping
from typing import Any, Final

from shop_http.answers import HttpAnswer

CONTENT_TYPE: Final = "application/problem+json"
TYPE_BASE: Final = "https://shop.example/problems"


class ProblemError(Exception):
    """The request gets another answer than success. `slug` names the type for programs; `detail` advises a person."""

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        is_anothers: bool = False,
        **extensions: Any,
    ) -> None:
        """`is_anothers` tells the log, and never the caller, that what was not found is there and belongs to another
        one."""
        super().__init__(f"{status} {slug}")
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.is_anothers = is_anothers
        self.extensions = extensions

    def answer(self, instance: str, correlation_id: str) -> HttpAnswer:
        document = {
            "type": f"{TYPE_BASE}/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "correlation_id": correlation_id,
            **self.extensions,
        }
        headers = {"Cache-Control": "no-store", **self.headers}
        return HttpAnswer(self.status, CONTENT_TYPE, json.dumps(document, ensure_ascii=False), headers)


def invalid_request(detail: str, errors: list[dict[str, str]]) -> ProblemError:
    """`errors` names each fault: by `pointer` a place in the body, by `parameter` a query parameter."""
    return ProblemError(422, "invalid-request", "Invalid request", detail, errors=errors)


def invalid_parameter(name: str, allowed: str) -> ProblemError:
    detail = "A query parameter is not allowed; see `errors`."
    return invalid_request(detail, [{"parameter": name, "detail": allowed}])
