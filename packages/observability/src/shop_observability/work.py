"""What is being done at the moment: its trace, and what it is about. Segments and log lines tell it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shop_observability.trace_header import TraceHeader

Annotation = str | int | bool


@dataclass(slots=True)
class Work:
    header: TraceHeader | None
    annotations: dict[str, Annotation]
    http: dict[str, dict[str, Any]] = field(default_factory=dict)
    """X-Ray's block of the request that is answered, if it is one."""
    segment_id: str | None = None
    """If it is recorded."""


_current: Work | None = None
"""The innermost. An execution environment serves one request at a time."""


def current() -> Work | None:
    return _current


@contextmanager
def doing(work: Work) -> Iterator[None]:
    global _current  # noqa: PLW0603 - see _current
    outer = _current
    _current = work
    try:
        yield
    finally:
        _current = outer


def annotate(**annotations: Annotation) -> None:
    """Says what the current work is about: in its segment, and in every log line from now on."""
    if _current is not None:
        _current.annotations.update(annotations)


def answered(method: str, path: str, status: int) -> None:
    """Says which HTTP request the current work was, and its answer's status."""
    if _current is not None:
        _current.http = {"request": {"method": method, "url": path}, "response": {"status": status}}


def fields() -> dict[str, Annotation]:
    """For a log line."""
    if _current is None:
        return {}
    if _current.header is None:
        return _current.annotations
    return {"trace_id": _current.header.root, **_current.annotations}
