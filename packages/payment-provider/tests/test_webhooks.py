"""Webhooks as the official Stripe package reads them: signed, repeated until taken, never lost by a restart."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from shop_payment_provider.testing import ProviderProcess, running_provider

Connect = Callable[..., stripe.StripeClient]
INTENT: Any = {
    "amount": 1999,
    "currency": "usd",
    "payment_method_types": ["card"],
    "metadata": {"reservation_id": "r1"},
}
WAIT_SECONDS_MAX = 120


class Receiver:
    """Takes what is sent to it, and answers with `status` after `delay_seconds`."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, str]] = []
        self.status = 200
        self.delay_seconds = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.status  # before it counts as received, and a test sets the next one
                receiver.received.append((body, self.headers["Stripe-Signature"]))
                time.sleep(receiver.delay_seconds)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/payments/webhook"

    def wait(self, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} webhooks"
            time.sleep(0.02)
        return [json.loads(body) for body, _ in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.05,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.fixture
def provider() -> Iterator[ProviderProcess]:
    with running_provider(slow_seconds=0.3, webhooks=True) as running:
        yield running


def charge(client: stripe.StripeClient, card: str = "pm_card_visa") -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(INTENT | {"payment_method": card, "confirm": True})


def test_each_end_of_an_intent_is_told_as_stripe_tells_it(
    provider: ProviderProcess, receiver: Receiver, client: stripe.StripeClient
) -> None:
    provider.webhook_url_file.write_text(receiver.url)
    charge(client)
    receiver.wait(1)
    with pytest.raises(stripe.CardError):
        charge(client, "pm_card_visa_chargeDeclined")
    receiver.wait(2)
    client.v1.payment_intents.cancel(client.v1.payment_intents.create(INTENT).id)
    receiver.wait(3)
    charge(client, "pm_card_slow")
    receiver.wait(4)

    events = [
        stripe.Webhook.construct_event(body, signature, provider.webhook_secret)
        for body, signature in receiver.received
    ]
    assert [event.type for event in events] == [
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.succeeded",
    ]
    intents = [event.data.object for event in events]
    assert [intent["status"] for intent in intents] == [
        "succeeded",
        "requires_payment_method",
        "canceled",
        "succeeded",
    ]
    assert {intent["metadata"]["reservation_id"] for intent in intents} == {"r1"}
    assert len({event.id for event in events}) == 4


def test_each_change_of_a_refund_is_told_as_stripe_tells_it(
    provider: ProviderProcess, receiver: Receiver, client: stripe.StripeClient
) -> None:
    provider.webhook_url_file.write_text(receiver.url)
    for number, card in enumerate(("pm_card_pendingRefund", "pm_card_refundFail")):
        client.v1.refunds.create({"payment_intent": charge(client, card).id})
        receiver.wait(3 * number + 3)
    events = [
        stripe.Webhook.construct_event(body, signature, provider.webhook_secret)
        for body, signature in receiver.received
    ]
    announced = [(event.type, event.data.object["object"], event.data.object["status"]) for event in events]
    assert [each for each in announced if each[1] != "payment_intent"] == [
        ("charge.refunded", "charge", "succeeded"),
        ("refund.updated", "refund", "succeeded"),
        ("charge.refunded", "charge", "succeeded"),
        ("refund.failed", "refund", "failed"),
    ]


def test_another_secret_or_another_body_does_not_verify(
    provider: ProviderProcess, receiver: Receiver, client: stripe.StripeClient
) -> None:
    provider.webhook_url_file.write_text(receiver.url)
    charge(client)
    receiver.wait(1)
    ((body, signature),) = receiver.received
    for other_body, secret in ((body, "whsec_other"), (body.replace(b"1999", b"1"), provider.webhook_secret)):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(other_body, signature, secret)


def test_events_wait_for_the_url_over_a_kill_and_a_restart(
    provider: ProviderProcess, receiver: Receiver, connect: Connect
) -> None:
    intents = [charge(connect(provider)).id for _ in range(3)]
    provider.kill()
    provider.start()
    assert receiver.received == []
    provider.webhook_url_file.write_text(receiver.url)
    events = receiver.wait(3)
    # In no particular order, as at Stripe.
    assert {event["data"]["object"]["id"] for event in events} == set(intents)


def test_an_event_that_is_refused_comes_again_with_the_same_id_until_it_is_taken(
    provider: ProviderProcess, receiver: Receiver, client: stripe.StripeClient
) -> None:
    provider.webhook_url_file.write_text(receiver.url)
    receiver.status = 500
    charge(client)
    receiver.wait(1)
    receiver.status = 200
    events = receiver.wait(2)
    time.sleep(0.5)
    assert [event["id"] for event in receiver.wait(2)] == [events[0]["id"]] * 2


def test_an_event_that_is_never_taken_is_given_up(
    provider: ProviderProcess, receiver: Receiver, client: stripe.StripeClient
) -> None:
    provider.webhook_url_file.write_text("not a url")
    charge(client)
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while '"outcome"' not in provider.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with provider.database() as database:
        database.execute("UPDATE webhook SET tries = 4, due = 0")
    while '"given_up": true' not in provider.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    provider.webhook_url_file.write_text(receiver.url)
    time.sleep(0.5)
    assert receiver.received == []


def test_no_answer_waits_for_a_webhook(
    provider: ProviderProcess, receiver: Receiver, client: stripe.StripeClient
) -> None:
    receiver.delay_seconds = 3.0
    provider.webhook_url_file.write_text(receiver.url)
    started = time.monotonic()
    for _ in range(3):
        charge(client)
    assert time.monotonic() - started < 3.0
    receiver.wait(3)


def test_without_a_url_file_nothing_is_kept(connect: Connect) -> None:
    with running_provider() as provider:
        charge(connect(provider))
        with provider.database() as database:
            assert database.execute("SELECT count(*) FROM webhook").fetchone() == (0,)
