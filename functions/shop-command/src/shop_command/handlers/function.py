"""The HTTP function of commands: each module beside this one declares its routes on it."""

from contextlib import AbstractContextManager
from typing import Annotated, Any, Final

from pydantic import Field
from typing_extensions import TypedDict

from shop_command.adapters.telemetry import SERVICE
from shop_command.application.request import CUSTOMER, Actor, Request
from shop_command.domain.stream import Stream
from shop_command.handlers.problems import problem_of
from shop_command.ports import deadline
from shop_http.entry import HttpFunction
from shop_http.route import HttpRequest, Who
from shop_observability import work
from shop_observability.metrics import Metric, count
from shop_shared.envelope import Envelope
from shop_shared.values import StreamId

WEBHOOK: Final = "POST /payments/webhook"
DOCUMENT: Final = "GET /openapi/command.json"


def _count(route: str, status: int) -> None:
    """Every route is a command but the webhook's and the document's."""
    if route == WEBHOOK or route.startswith(("GET ", "HEAD ")):
        return
    if status == 202:
        count(Metric.COMMANDS_PENDING)
    elif status < 400:
        count(Metric.COMMANDS_ACCEPTED)
    elif status < 500:
        count(Metric.COMMANDS_REFUSED)
    else:
        count(Metric.COMMANDS_FAILED)


def _in_time(context: Any) -> AbstractContextManager[None]:
    return deadline.ending_in(context.get_remaining_time_in_millis() / 1000)


function: Final = HttpFunction(SERVICE, problem_of, _count, _in_time)


StreamVersion = Annotated[int, Field(ge=1, description="Of the stream's last event: what `min_version` takes.")]


class Position(TypedDict):
    """A reader that has reached this position sees the command's effect."""

    stream_id: StreamId
    stream_version: StreamVersion


def position(event: Envelope) -> Position:
    return {"stream_id": event.subject, "stream_version": event.streamversion}


def request_of(call: HttpRequest) -> Request:
    subject = call.caller.subject
    # The route decides, not the group: an administrator who buys something is a customer.
    actor = Actor("app_user", subject) if call.who is Who.ADMINISTRATOR else CUSTOMER
    return Request(subject, call.idempotency_key, call.id, call.correlation_id, call.content, call.replay, actor)


def annotate(stream: Stream[Any, Any]) -> None:
    work.annotate(stream_id=stream.id)
