"""Each metric is counted by what causes it, in the one line of the invocation."""

import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import stripe
from botocore.exceptions import ConnectTimeoutError

from shop_command.adapters import telemetry
from shop_command.adapters.dynamodb import DynamoDbEventStore
from shop_command.adapters.kinesis import KinesisPublisher
from shop_command.adapters.payment import StripeGateway
from shop_command.adapters.secrets import Secret
from shop_command.adapters.system import SystemClock
from shop_command.domain.stock import Bucket, BucketChange
from shop_command.handlers import sweep
from shop_command.handlers.function import DOCUMENT, WEBHOOK, function
from shop_command.ports import (
    AskedIntent,
    ContentionError,
    IntentCreated,
    KeyUse,
    KeyUsedError,
    StockShortError,
    StoreUnavailableError,
    Unknown,
)
from shop_command.ports import VersionConflictError as Conflict
from shop_command.testing import Shop, http_event, invoke
from shop_command.testing.dynamodb import CONFLICT, FAILED, NONE, Answers, cancelled, ok
from shop_command.testing.shop import LambdaContext, raising
from shop_command.testing.stores import transaction
from shop_observability import metrics
from shop_observability.metrics import Metric
from shop_observability.testing import measured
from shop_payment_provider.testing import ProviderProcess
from shop_shared.envelope import Envelope
from shop_shared.values import Money

IDLE = {"DueCount": [0.0], "OldestUnpublishedSeconds": [0.0], "OldestUnsettledSeconds": [0.0]}
COMMANDS = {Metric.COMMANDS_ACCEPTED, Metric.COMMANDS_PENDING, Metric.COMMANDS_REFUSED, Metric.COMMANDS_FAILED}


class SweepContext(LambdaContext):
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@dataclass(frozen=True)
class Printed:
    capture: pytest.CaptureFixture[str]

    def __call__(self) -> dict[str, list[float]]:
        """Reads what the last invocation printed; what was counted outside of one is printed now."""
        metrics.flush()
        return measured(self.capture.readouterr().out)

    def forget(self) -> None:
        metrics.begin()
        self.capture.readouterr()


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    return Printed(capsys)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("pm_card_visa", (201, {"CommandsAccepted", "PaymentsCaptured"})),
        ("pm_card_timeout_after_charge", (202, {"CommandsPending", "PaymentsUnknown"})),
        ("pm_card_visa_chargeDeclined", (402, {"CommandsRefused", "PaymentsDeclined"})),
    ],
)
def test_a_command_is_counted_once_by_its_answer_and_a_payment_by_its_outcome(
    stocked: Shop, reserved: str, printed: Printed, card: str, expected: tuple[int, set[str]]
) -> None:
    printed.forget()
    status, names = expected
    assert stocked.purchase(reserved, card).status == status
    assert printed() == {name: [1.0] for name in names}


@pytest.mark.parametrize("error", [StoreUnavailableError(), RuntimeError("a bug")])
def test_what_fails_on_our_side_is_no_refusal(stocked: Shop, printed: Printed, error: Exception) -> None:
    stocked.store.before_commit.append(raising(error))
    printed.forget()
    assert stocked.reserve().status in (500, 503)
    assert printed() == {"CommandsFailed": [1.0]}


def test_a_refusal_before_any_work_counts_too(shop: Shop, printed: Printed) -> None:
    assert shop.post("/reservations", {"lines": []}).status == 422
    assert printed() == {"CommandsRefused": [1.0]}


def test_webhooks_and_documents_are_no_commands(stocked: Shop, printed: Printed) -> None:
    printed.forget()
    assert stocked.webhook("payment_intent.succeeded", "pi_1", "x", secret="forged").status == 400
    assert stocked.webhook("payment_intent.succeeded", "pi_1", "x").status == 200
    assert invoke(http_event("GET /openapi/command.json", key=None, subject=None)).status == 200
    assert printed() == {}


def test_every_route_is_a_command_but_the_webhook_and_the_document(printed: Printed) -> None:
    stack = (Path(__file__).parents[1] / "serverless.yml").read_text()
    routes = [" ".join(route) for route in re.findall(r"httpApi: {method: (\w+), path: '?([^',\s]+?)'?(?:,|})", stack)]
    assert len(routes) == stack.count("- httpApi:")
    assert {WEBHOOK, DOCUMENT, DOCUMENT.replace("GET", "HEAD")} <= set(routes)
    for route in routes:
        function.answered(route, 200)
    assert printed() == {"CommandsAccepted": [float(len(routes) - 3)]}


@pytest.fixture
def reservation(deployed: boto3.Session) -> str:
    """The deployed shop has one thing to sell."""
    product = {"sku": "MUG", "name": "Mug", "description": "", "price": {"amount_minor": 500, "currency": "EUR"}}
    invoke(http_event("POST /products", product, groups="[admin]"))
    invoke(http_event("POST /products/{sku}/stock", {"quantity": 1}, groups="[admin]", sku="MUG"))
    body = {"lines": [{"sku": "MUG", "quantity": 1}]}
    return str(invoke(http_event("POST /reservations", body, key=random.randbytes(8).hex())).body["reservation_id"])  # noqa: S311


def purchase(reservation: str, card: str) -> Any:
    body = {"reservation_id": reservation, "payment_method": card}
    return invoke(http_event("POST /purchase", body, key=f"purchase-{reservation}"))


def test_a_payment_is_counted_with_its_calls_and_its_events(reservation: str, printed: Printed) -> None:
    printed.forget()
    assert purchase(reservation, "pm_card_visa").status == 201
    line = printed()
    create, confirm = line.pop("PaymentCallMilliseconds")
    assert 0 < create < 8_000
    assert 0 < confirm < 8_000
    assert line == {"CommandsAccepted": [1.0], "PaymentsCaptured": [1.0], "EventsPublished": [2.0]}


def test_a_decline_is_one(reservation: str, printed: Printed) -> None:
    printed.forget()
    assert purchase(reservation, "pm_card_visa_chargeDeclined").status == 402
    assert {"CommandsRefused", "PaymentsDeclined"} <= printed().keys() - {"PaymentsCaptured", "PaymentsUnknown"}


def test_a_refund_is_one_and_its_repeat_none(reservation: str, printed: Printed) -> None:
    purchase(reservation, "pm_card_visa")
    for expected in ([1.0], None):
        printed.forget()
        route = "POST /purchases/{purchase_id}/refund"
        event = http_event(route, raw_body="", key="refund", groups="[admin]", purchase_id=reservation)
        assert invoke(event).status == 201
        assert printed().get("PaymentsRefunded") == expected


def test_what_is_unknown_is_counted_again_when_a_webhook_finds_it_out(
    reservation: str, provider: ProviderProcess, printed: Printed
) -> None:
    printed.forget()
    pending = purchase(reservation, "pm_card_error_after_charge")
    assert pending.status == 202
    line = printed()
    assert line["PaymentsUnknown"] == [1.0]
    assert "PaymentsCaptured" not in line
    intent = {"object": {"id": pending.body["payment_intent_id"], "metadata": {"reservation_id": reservation}}}
    payload = json.dumps({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "data": intent})
    signature = stripe.WebhookSignature.generate_signature_header(payload, provider.webhook_secret)
    headers = {"stripe-signature": signature}
    webhook = http_event("POST /payments/webhook", raw_body=payload, key=None, subject=None, headers=headers)
    for expected in ([1.0], None):
        assert invoke(webhook).status == 200
        line = printed()
        assert line.get("PaymentsCaptured") == expected
        assert not COMMANDS & line.keys()


def test_a_dispute_is_counted_when_it_is_opened_and_when_an_inquiry_becomes_one(
    stocked: Shop, reserved: str, printed: Printed
) -> None:
    stocked.purchase(reserved)
    dispute = stocked.gateway.dispute("pi_1", is_inquiry=True)
    counted = []
    for happen in (
        lambda: None,
        lambda: stocked.gateway.disputes.escalate(dispute),
        lambda: None,
        lambda: stocked.gateway.disputes.decide(dispute, is_won=True),
    ):
        happen()
        printed.forget()
        stocked.money_webhook("charge.dispute.updated")
        counted.append(printed().get("DisputesOpened"))
    assert counted == [[1.0], [1.0], None, None]


def test_what_is_unknown_is_counted_again_when_the_sweep_finds_it_out(
    reservation: str, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase(reservation, "pm_card_error_after_charge")
    later = datetime.now(UTC) + timedelta(seconds=120)
    monkeypatch.setattr(SystemClock, "now", lambda _: later)
    printed.forget()
    assert sweep.handler({}, SweepContext())["settled"] == 1
    line = printed()
    assert (line["PaymentsCaptured"], line["EventsPublished"], line["EventsSwept"]) == ([1.0], [1.0], [1.0])


def test_the_length_of_a_call_is_measured_in_milliseconds(printed: Printed) -> None:
    started = time.monotonic()
    with telemetry.payment_call("provider", {}):
        time.sleep(0.02)
    [length] = printed()["PaymentCallMilliseconds"]
    assert 20 <= length <= (time.monotonic() - started) * 1000 + 0.1


def test_a_call_that_gets_no_answer_is_measured_too(printed: Printed) -> None:
    gateway = StripeGateway("http://127.0.0.1:1", Secret(lambda: ("key",)))
    assert isinstance(
        gateway.retrieve(AskedIntent("pi_1", "reservation", Money(amount_minor=1, currency="EUR"))), Unknown
    )
    assert len(printed()["PaymentCallMilliseconds"]) == 1


@pytest.mark.parametrize("fault", ["a wrong key", "another amount"])
def test_an_answer_that_no_repeat_mends_alerts_an_operator(
    printed: Printed, fault: str, provider: ProviderProcess
) -> None:
    gateway = StripeGateway(provider.url, Secret(lambda: ("sk_wrong" if fault == "a wrong key" else provider.api_key,)))
    money = Money(amount_minor=500, currency="EUR")
    created = StripeGateway(provider.url, Secret(lambda: (provider.api_key,))).create("alert", 1, money)
    assert isinstance(created, IntentCreated)
    printed.forget()
    asked = AskedIntent(created.payment_intent_id, "alert", money.model_copy(update={"amount_minor": 499}))
    assert isinstance(gateway.retrieve(asked), Unknown)
    assert printed()["PaymentAlerts"] == [1.0]


def journal_time(timestamp: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(timestamp, UTC)


@pytest.fixture
def answering(aws: boto3.Session) -> Callable[..., DynamoDbEventStore]:
    """A store whose transactions are answered so, one after the other."""

    def made(*answers: Any) -> DynamoDbEventStore:
        client = aws.client("dynamodb")
        client.meta.events.register("before-call.dynamodb.TransactWriteItems", Answers(*answers))
        return DynamoDbEventStore(client, "shop-test", random.Random(1), sleep=lambda _: None)  # noqa: S311

    return made


TRANSACTION = transaction(
    7, stock=(BucketChange(Bucket("MUG", 0), available=-1, held=1),), key_use=KeyUse("digest", "body", "x", 8)
)


def test_a_commit_that_succeeds_at_once_says_nothing(answering: Any, printed: Printed) -> None:
    answering(ok({})).commit(TRANSACTION)
    assert printed() == {}


def test_tries_after_the_first_are_counted(answering: Any, printed: Printed) -> None:
    answering(cancelled(CONFLICT), cancelled(CONFLICT), ok({})).commit(TRANSACTION)
    assert printed() == {"CommitRetries": [2.0]}


def test_tries_that_all_failed_are_counted(answering: Any, printed: Printed) -> None:
    with pytest.raises(ContentionError):
        answering(cancelled(CONFLICT)).commit(TRANSACTION)
    assert printed() == {"CommitRetries": [7.0]}


@pytest.mark.parametrize(
    ("reasons", "error", "expected"),
    [
        ((FAILED, NONE, NONE, NONE), Conflict, {"CommitConflicts": [1.0]}),
        ((NONE, NONE, FAILED, NONE), StockShortError, {"CommitConflicts": [1.0]}),
        ((NONE, NONE, NONE, FAILED), KeyUsedError, {}),  # by a repeat of the same command
    ],
)
def test_another_command_that_was_first_at_stream_or_stock_is_a_conflict(
    answering: Any, printed: Printed, reasons: Any, error: type[Exception], expected: Any
) -> None:
    with pytest.raises(error):
        answering(cancelled(*reasons)).commit(TRANSACTION)
    assert printed() == expected


@pytest.fixture
def events(stocked: Shop) -> list[Envelope]:
    """Three of two streams."""
    stocked.reserve()
    return stocked.publisher.published


def publish(aws: boto3.Session, events: list[Envelope], *refused: set[int] | Exception) -> None:
    client, answers = aws.client("kinesis"), list(refused)

    def answer(params: dict[str, Any], **_: Any) -> Any:
        now = answers.pop(0)
        if isinstance(now, Exception):
            raise now
        count = len(json.loads(params["body"])["Records"])
        records = [{"ErrorCode": "Throttled"} if place in now else {} for place in range(count)]
        metadata = {"ResponseMetadata": {"HTTPStatusCode": 200}}
        return type("Http", (), {"status_code": 200})(), {"Records": records, **metadata}

    client.meta.events.register("before-call.kinesis.PutRecords", answer)
    KinesisPublisher(client, "shop-test", random.Random(1), sleep=lambda _: None).publish(events)  # noqa: S311


def test_what_is_published_and_what_was_sent_again_are_counted(
    aws: boto3.Session, events: list[Envelope], printed: Printed
) -> None:
    printed.forget()
    publish(aws, events, {0, 2}, {1}, set())
    assert printed() == {"EventsPublished": [3.0], "PublishRetries": [3.0]}


def test_what_was_published_before_the_connection_broke_is_counted(
    aws: boto3.Session, events: list[Envelope], printed: Printed
) -> None:
    printed.forget()
    publish(aws, events, {1}, ConnectTimeoutError(endpoint_url="kinesis"))
    assert printed() == {"EventsPublished": [2.0], "PublishRetries": [1.0]}


@pytest.mark.usefixtures("stocked")
def test_a_sweep_with_nothing_to_do_says_that_it_has_been_there(printed: Printed) -> None:
    printed.forget()
    sweep.handler({}, SweepContext())
    assert printed() == IDLE


def test_all_that_it_has_paid_is_counted_and_what_it_could_not(stocked: Shop, reserved: str, printed: Printed) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    stocked.publisher.fails = lambda _: True
    stocked.reserve(("MUG", 1), key="other")
    stocked.reserve(("MUG", 1), key="third")
    stocked.publisher.fails = lambda _: False
    stocked.clock.advance(900)
    stocked.store.before_commit.append(raising(RuntimeError("a bug")))
    printed.forget()
    answer = sweep.handler({}, SweepContext())
    assert (answer["published"], answer["expired"], answer["settled"], answer["failed"]) == (2, 1, 1, 1)
    line = printed()
    assert (line["EventsSwept"], line["SweepFailures"], line["DueCount"]) == ([4.0], [1.0], [5.0])


def test_the_first_request_of_an_environment_is_a_cold_start(
    stocked: Shop, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed.forget()
    monkeypatch.setattr(metrics, "_is_cold", True)
    stocked.reserve()
    assert printed() == {"ColdStarts": [1.0], "CommandsAccepted": [1.0]}
    stocked.reserve(key="another")
    assert printed() == {"CommandsAccepted": [1.0]}
