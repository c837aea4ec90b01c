"""Every handler runs its work inside of `invocation`, which logs, measures and traces it."""

from collections.abc import Iterator
from contextlib import contextmanager

from shop_observability import collector, logs, metrics
from shop_observability.trace_header import TraceHeader, lambdas_header, request_header
from shop_observability.tracing import segment
from shop_observability.work import Annotation, Work


class InvocationFailedError(Exception):
    """The work has failed, and the log has the cause. The argument is the type of what was raised.

    Lambda's runtime logs the message of whatever leaves a handler, and hands it to whoever has called. An exception of
    PostgreSQL has a row in it.
    """


@contextmanager
def invocation(service: str, received: str | None = None, /, **annotations: Annotation) -> Iterator[TraceHeader | None]:
    """Opens one segment, decides at random whether it logs from DEBUG on, and writes one line of metrics at the end.

    `received` is the trace header that a client has sent. Gives the header that the segment has.

    A segment of another trace than Lambda's own names and links that one, which has its cold start and time-out.
    Raises InvocationFailedError for whatever is raised inside.
    """
    collector.resume()
    logs.sample()
    metrics.begin()
    own = lambdas_header()
    header = request_header(received, own)
    try:
        with segment(service, header, _invoked(own), **annotations):
            try:
                yield header
            except Exception:
                logs.logger().exception("failed")
                raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its message stays here
        raise InvocationFailedError(type(error).__name__) from None
    finally:
        metrics.flush()


def _invoked(own: TraceHeader | None) -> Work:
    return Work(own, {}, segment_id=own.parent if own and own.sampled else None)
