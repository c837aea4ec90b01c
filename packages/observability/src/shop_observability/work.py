"""The current work has a trace and annotations, which its segment and its log lines carry."""

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
    """X-Ray's block describes the request that is answered, if the work is one."""
    segment_id: str | None = None
    """It is None unless the work is recorded."""


_current: Work | None = None
"""This is the innermost work: an execution environment serves one request at a time."""


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
    """Adds to the current work's segment, and to every log line from now on."""
    if _current is not None:
        _current.annotations.update(annotations)


def answered(method: str, path: str, status: int) -> None:
    """Describes the HTTP request that the current work was, and its answer's status."""
    if _current is not None:
        _current.http = {"request": {"method": method, "url": path}, "response": {"status": status}}


def fields() -> dict[str, Annotation]:
    """Returns what a log line carries of the current work."""
    if _current is None:
        return {}
    if _current.header is None:
        return _current.annotations
    return {"trace_id": _current.header.root, **_current.annotations}
