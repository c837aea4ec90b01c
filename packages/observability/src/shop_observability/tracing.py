"""Segments and subsegments for X-Ray, and the only place that knows its SDK, so that OpenTelemetry can take its place.

A function opens one segment for each request or batch, under the trace that the caller's header names; what it calls
becomes subsegments. Work for an event, whose trace began elsewhere, is a segment of that trace, inside of the batch's
own. The SDK is imported at the first sampled segment (0.1 s): an unsampled request needs none of it. Nothing here ever
fails the work that it traces. Exceptions are recorded by their type alone: messages hold values.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, TypeGuard, TypeVar

from shop_observability import work as ongoing
from shop_observability.logs import logger
from shop_observability.trace_header import TraceHeader
from shop_observability.work import Annotation, Work

if TYPE_CHECKING:
    from aws_xray_sdk.core import AWSXRayRecorder

Namespace = Literal["local", "remote", "aws"]
Item = TypeVar("Item")
Result = TypeVar("Result")

TRACED_EVENTS_MAX: Final = 50
"""A batch sends at most this many segments at once, as datagrams: Linux's default buffer holds some 90."""
SUBSEGMENTS_MAX: Final = 100
"""A segment holds at most this many; further ones are sent before it, each by itself. X-Ray takes 64 KB in a
document, and a subsegment has some 0.4 KB."""
_INHERITED: Final = ("function", "route")
"""These annotations name the invocation that did the work."""


@dataclass(frozen=True)
class Call:
    """This call has ended and can become a subsegment of other traces."""

    name: str
    namespace: Namespace
    details: dict[str, dict[str, Any]]
    started: float
    ended: float


@dataclass
class Timeline:
    """A timeline notes when some work began and ended, as seconds of the epoch, and what it called."""

    started: float
    ended: float = 0.0
    calls: list[Call] = field(default_factory=list)


EventTrace = tuple[str, str, str, str]
"""An event is traced by its trace header, stream id, event type and correlation id."""

_timeline: ContextVar[Timeline | None] = ContextVar("timeline", default=None)
"""The innermost open `timeline` collects calls here."""


def segment(
    name: str, header: TraceHeader | None, outer: Work | None = None, /, **annotations: Annotation
) -> AbstractContextManager[None]:
    """Opens a segment of the trace that `header` names. One of another trace than `outer`, the current work unless it
    is given, names and links it."""
    outer = outer or ongoing.current()
    work = Work(header, _inside(header, outer) | annotations)
    return _recorded_segment(name, header, work, outer) if _is_recorded(header) else ongoing.Doing(work)


@contextmanager
def subsegment(name: str, namespace: Namespace = "local", **details: dict[str, Any]) -> Iterator[None]:
    """A call inside the open segment. `details` are X-Ray's blocks: `aws`, `sql`, `http`, or `annotations`; what is
    added to them inside counts too."""
    started = time.time()
    try:
        work = ongoing.current()
        if work is None or not _is_recorded(work.header):
            yield
        else:
            with _recorded_subsegment(name, namespace, details):
                yield
    finally:
        if open_timeline := _timeline.get():
            open_timeline.calls.append(Call(name, namespace, details, started, time.time()))
        if logger().log_level == logging.DEBUG:
            logger().debug(name, extra={"duration_ms": round((time.time() - started) * 1000, 1), **details})


@contextmanager
def timeline() -> Iterator[Timeline]:
    """Notes the work inside, sampled or not, so that `trace_events` can repeat it in other traces."""
    done = Timeline(time.time())
    token = _timeline.set(done)
    try:
        yield done
    finally:
        done.ended = time.time()
        _timeline.reset(token)


def trace_events(name: str, done: Timeline, events: Iterable[EventTrace]) -> None:
    """Sends a segment for finished work into the trace of each sampled event that the work was done for.

    It sends TRACED_EVENTS_MAX at most. Each of them names and links the batch's segment, inside of which it is sent.
    """
    parsed = ((TraceHeader.parse(event[0]), event) for event in events if "Sampled=1" in event[0])
    sampled = ((header, event) for header, event in parsed if _is_recorded(header))
    for header, (_, stream_id, event_type, correlation_id) in islice(sampled, TRACED_EVENTS_MAX):
        work = Work(header, _inside(header, batch := ongoing.current()))
        work.annotations |= {"stream_id": stream_id, "event_type": event_type, "correlation_id": correlation_id}
        with _recorded_segment(name, header, work, batch, done):
            for call in done.calls:
                with _recorded_subsegment(call.name, call.namespace, call.details, call):
                    pass


def carried(do: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """Other threads may run what this returns, as parts of the current work: with its context variables, inside of its
    segment, and with its fields in their log lines."""
    context, work = copy_context(), ongoing.current()
    entity = _recorder().get_trace_entity() if work and work.segment_id else None

    def part(item: Item) -> Result:
        if entity is not None:
            _go_on_inside(entity)
        try:
            return do(item)
        finally:
            if entity is not None:
                _go_on_inside(None)

    return lambda item: context.copy().run(part, item)  # one context can't be entered by two threads


def current_header() -> str | None:
    """Returns the header for the next hop, which then continues from the innermost open subsegment."""
    work = ongoing.current()
    if work is None or work.header is None:
        return None
    if work.segment_id is None:
        return str(work.header)
    return str(TraceHeader(work.header.root, _recorder().get_trace_entity().id, sampled=True))


def _inside(header: TraceHeader | None, outer: Work | None) -> dict[str, Annotation]:
    """Returns the annotations that a segment takes from the one that it is opened in."""
    if outer is None:
        return {}
    inherited = {name: value for name, value in outer.annotations.items() if name in _INHERITED}
    if outer.header and not (header and header.root == outer.header.root):
        inherited["invocation_trace_id"] = outer.header.root
    return inherited


def _is_recorded(header: TraceHeader | None) -> TypeGuard[TraceHeader]:
    """Lambda names its daemon in every environment; where there is none, as in `invoke local`, nothing is sent."""
    return header is not None and bool(header.sampled) and "AWS_XRAY_DAEMON_ADDRESS" in os.environ


@contextmanager
def _recorded_segment(
    name: str, header: TraceHeader, work: Work, outer: Work | None, over: Timeline | None = None
) -> Iterator[None]:
    """`over` gives the segment its times, if they lie in the past."""
    entity: Any = None
    outer_entity: Any = None
    with _harmless():
        recorder = _recorder()
        outer_entity = recorder.get_trace_entity()
        entity = recorder.begin_segment(name, traceid=header.root, parent_id=header.parent, sampling=1)
        work.segment_id = entity.id
        if over:
            entity.start_time = over.started
        if outer and outer.header and outer.segment_id and outer.header.root != header.root:
            # The SDK has no links. AWS's distribution of OpenTelemetry writes them in this form.
            entity.links = [{"trace_id": outer.header.root, "id": outer.segment_id}]
    try:
        with ongoing.Doing(work):
            yield
    except BaseException as error:
        _mark_fault(entity, error)
        raise
    finally:
        with _harmless():
            if entity:
                for key, value in work.annotations.items():
                    entity.put_annotation(key, value)
                _describe(entity, {"http": work.http} if work.http else {})
                recorder.end_segment(over.ended if over else None)
        _go_on_inside(outer_entity)


@contextmanager
def _recorded_subsegment(
    name: str, namespace: Namespace, details: dict[str, dict[str, Any]], over: Call | None = None
) -> Iterator[None]:
    entity: Any = None
    outer_entity: Any = None
    with _harmless():
        recorder = _recorder()
        outer_entity = recorder.get_trace_entity()
        entity = recorder.begin_subsegment(name, namespace)
        if over:
            entity.start_time = over.started
    try:
        yield
    except BaseException as error:
        _mark_fault(entity, error)
        raise
    finally:
        with _harmless():
            if entity:
                _describe(entity, details)
                recorder.end_subsegment(over.ended if over else None)
        _go_on_inside(outer_entity)


def _go_on_inside(entity: Any) -> None:
    """The SDK keeps what is open for each thread, and forgets all of it where a segment begins or ends."""
    with _harmless():
        if entity is None:
            _recorder().clear_trace_entities()
        else:
            _recorder().set_trace_entity(entity)


@contextmanager
def _harmless() -> Iterator[None]:
    """A failure in tracing must not fail the work: a batch that was applied would come again for ever."""
    try:
        yield
    except Exception:  # noqa: BLE001 - it is logged, and the work goes on
        logger().exception("a segment is lost")


@cache
def _recorder() -> "AWSXRayRecorder":
    from aws_xray_sdk.core import AWSXRayRecorder  # noqa: PLC0415 - only for a sampled request

    recorder = AWSXRayRecorder()
    from aws_xray_sdk.core.context import Context  # noqa: PLC0415 - as above

    # The SDK's own context for Lambda only knows Lambda's segment, while a purchase's trace is the client's. It also
    # sends a datagram for each subsegment, while one for a segment and what it called takes three fifths of the time.
    recorder.configure(context=Context("IGNORE_ERROR"), sampling=False, plugins=(), streaming_threshold=SUBSEGMENTS_MAX)
    return recorder


def _describe(entity: Any, blocks: dict[str, dict[str, Any]]) -> None:
    for name, values in blocks.items():
        getattr(entity, name).update(values)
    status = entity.http.get("response", {}).get("status")
    if status is not None:
        entity.apply_status_code(status)  # 4xx: an error, 429: throttled too, 5xx: a fault


def _mark_fault(entity: Any, error: BaseException) -> None:
    with _harmless():
        if entity:
            entity.add_fault_flag()
            entity.put_annotation("error_type", type(error).__name__)
