"""Segments and subsegments for X-Ray, and the only place that knows its SDK, so that OpenTelemetry can take its place.

A function opens one segment for each request or batch, under the trace that the caller's header names; what it calls
becomes subsegments. The SDK is imported at the first sampled segment (0.5 s): an unsampled request costs nothing.
Nothing here ever fails the work that it traces. Exceptions are recorded by their type alone: messages hold values.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeGuard

if TYPE_CHECKING:
    from aws_xray_sdk.core import AWSXRayRecorder

Namespace = Literal["local", "remote", "aws"]

_TRACE_ID: Final = re.compile("1-[0-9a-f]{8}-[0-9a-f]{24}")
_SEGMENT_ID: Final = re.compile("[0-9a-f]{16}")
# One match in place of a walk through all fields, for what nearly every request has, twice.
_USUAL: Final = re.compile(
    f"Root=({_TRACE_ID.pattern})(?:;Parent=({_SEGMENT_ID.pattern}))?(?:;Sampled=([01]))?(?:;Lineage=[^;]*)?"
)
_DECISIONS: Final[dict[str | None, bool]] = {"1": True, "0": False}


@dataclass(frozen=True)
class TraceHeader:
    """The `X-Amzn-Trace-Id` header. https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader"""

    root: str
    parent: str | None = None
    sampled: bool | None = None
    """None when the sender left the decision to us."""

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """None for anything that is no trace header: a client's header is input like any other."""
        if not text:
            return None
        as_aws_writes_it = _USUAL.fullmatch(text)
        if as_aws_writes_it:
            root, parent, sampled = as_aws_writes_it.groups()
            return cls(root, parent, _DECISIONS.get(sampled))
        fields = dict(part.strip().partition("=")[::2] for part in text.split(";"))
        root, parent = fields.get("Root", ""), fields.get("Parent", "")
        if not _TRACE_ID.fullmatch(root):
            return None
        return cls(root, parent if _SEGMENT_ID.fullmatch(parent) else None, _DECISIONS.get(fields.get("Sampled")))

    def __str__(self) -> str:
        parent = f";Parent={self.parent}" if self.parent else ""
        return f"Root={self.root}{parent};Sampled={int(bool(self.sampled))}"


@dataclass(frozen=True)
class Call:
    """A subsegment that is over."""

    name: str
    namespace: Namespace
    details: dict[str, dict[str, Any]]
    started: float
    ended: float


@dataclass
class Timeline:
    """When some work began and ended, as seconds of the epoch, and what it called."""

    started: float
    ended: float = 0.0
    calls: list[Call] = field(default_factory=list)


_current: TraceHeader | None = None
"""Of the innermost open segment, sampled or not. An execution environment serves one request at a time."""
_timeline: Timeline | None = None
"""Of the innermost open `timeline`."""


def request_header(client: str | None) -> TraceHeader | None:
    """The trace to continue: the client's if it sent one, else the one that Lambda began for this invocation.

    Where the client leaves the sampling decision open, Lambda's decision holds.
    """
    theirs = TraceHeader.parse(client)
    if theirs is not None and theirs.sampled is not None:
        return theirs
    own = TraceHeader.parse(os.environ.get("_X_AMZN_TRACE_ID"))
    if theirs is None:
        return own
    return TraceHeader(theirs.root, theirs.parent, bool(own and own.sampled))


@contextmanager
def segment(name: str, header: TraceHeader | None, **annotations: str | int | bool) -> Iterator[None]:
    """Opens a segment of the trace that `header` names. Segments nest: a batch's own holds those of its events."""
    global _current  # noqa: PLW0603 - see _current
    outer = _current
    _current = header
    try:
        if not _is_recorded(header):
            yield
        else:
            with _recorded_segment(name, header, annotations):
                yield
    finally:
        _current = outer


@contextmanager
def subsegment(name: str, namespace: Namespace = "local", **details: dict[str, Any]) -> Iterator[None]:
    """A call inside the open segment. `details` are X-Ray's blocks: `aws`, `sql`, `http`, or `annotations`."""
    started = time.time()
    try:
        if not _is_recorded(_current):
            yield
        else:
            with _recorded_subsegment(name, namespace, details):
                yield
    finally:
        if _timeline is not None:
            _timeline.calls.append(Call(name, namespace, details, started, time.time()))


@contextmanager
def timeline() -> Iterator[Timeline]:
    """Notes the work inside, sampled or not, so that it can be told again in other traces by `record`."""
    global _timeline  # noqa: PLW0603 - see _timeline
    outer = _timeline
    _timeline = work = Timeline(time.time())
    try:
        yield work
    finally:
        work.ended = time.time()
        _timeline = outer


def record(name: str, header: TraceHeader | None, work: Timeline, **annotations: str | int | bool) -> None:
    """Sends a segment of work that is over. A batch is done at once, and belongs in the trace of each of its events."""
    if header is None or not _is_recorded(header):
        return
    with _recorded_segment(name, header, annotations, work):
        for call in work.calls:
            with _recorded_subsegment(call.name, call.namespace, call.details, call):
                pass


def current_header() -> str | None:
    """What to hand to the next hop, so that it continues from the innermost open subsegment."""
    if _current is None:
        return None
    if not _is_recorded(_current):
        return str(_current)
    return str(TraceHeader(_current.root, _recorder().get_trace_entity().id, sampled=True))


def _is_recorded(header: TraceHeader | None) -> TypeGuard[TraceHeader]:
    """Lambda names its daemon in every environment; where there is none, as in `invoke local`, nothing is sent."""
    return header is not None and bool(header.sampled) and "AWS_XRAY_DAEMON_ADDRESS" in os.environ


@contextmanager
def _recorded_segment(
    name: str, header: TraceHeader, annotations: dict[str, str | int | bool], over: Timeline | None = None
) -> Iterator[None]:
    """`over`: its times, if they lie in the past."""
    from aws_xray_sdk.core.context import Context  # noqa: PLC0415 - half a second, only for a sampled request

    recorder = _recorder()
    outer_context = recorder.context
    recorder.context = Context("IGNORE_ERROR")
    entity = recorder.begin_segment(name, traceid=header.root, parent_id=header.parent, sampling=1)
    if over:
        entity.start_time = over.started
    try:
        for key, value in annotations.items():
            entity.put_annotation(key, value)
        yield
    except BaseException as error:
        _mark_fault(entity, error)
        raise
    finally:
        recorder.end_segment(over.ended if over else None)
        recorder.context = outer_context


@contextmanager
def _recorded_subsegment(
    name: str, namespace: Namespace, details: dict[str, dict[str, Any]], over: Call | None = None
) -> Iterator[None]:
    recorder = _recorder()
    entity = recorder.begin_subsegment(name, namespace)
    if over:
        entity.start_time = over.started
    try:
        for block, values in details.items():
            getattr(entity, block).update(values)
        yield
    except BaseException as error:
        _mark_fault(entity, error)
        raise
    finally:
        recorder.end_subsegment(over.ended if over else None)


@cache
def _recorder() -> "AWSXRayRecorder":
    from aws_xray_sdk.core import AWSXRayRecorder  # noqa: PLC0415
    from aws_xray_sdk.core.context import Context  # noqa: PLC0415

    recorder = AWSXRayRecorder()
    # Not the SDK's own context for Lambda: it only knows Lambda's segment, and a purchase's trace is the client's.
    recorder.configure(context=Context("IGNORE_ERROR"), sampling=False, plugins=())
    return recorder


def _mark_fault(entity: Any, error: BaseException) -> None:
    entity.add_fault_flag()
    entity.put_annotation("error_type", type(error).__name__)
