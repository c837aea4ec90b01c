"""Webhooks are read as the official Stripe package reads them, and a little more strictly."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from shop_command.adapters.provider_events import OF_INTENTS, OF_MONEY
from shop_command.adapters.secrets import Secret, SecretUnavailableError
from shop_command.adapters.webhook import TOLERANCE_SECONDS, ForgedWebhookError, StripeWebhook
from shop_command.ports import Hint
from shop_command.testing import FakeClock

SECRET = "whsec_of_this_test"
RESERVATION = "0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f"
CLOCK = FakeClock()
NOW = int(CLOCK.now().timestamp())
HINT = Hint("pi_1", RESERVATION)


def payload(**changes: Any) -> str:
    """Makes an event of Stripe's, with other fields of its intent."""
    intent = {"id": "pi_1", "object": "payment_intent", "metadata": {"reservation_id": RESERVATION}} | changes
    event = {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "data": {"object": intent}}
    return json.dumps(event)


PAYLOAD = payload()


def signed(body: str = PAYLOAD, secret: str = SECRET, at: int = NOW) -> str:
    return str(stripe.WebhookSignature.generate_signature_header(body, secret, at))


def digest(body: str = PAYLOAD, secret: str = SECRET, at: int = NOW) -> str:
    return signed(body, secret, at).rpartition("v1=")[2]


def read(body: str | bytes, signature: str, now: datetime | None = None) -> Hint | None:
    webhook = StripeWebhook(Secret(lambda: (SECRET,)), FakeClock(now) if now else CLOCK)
    return webhook.read(body.encode() if isinstance(body, str) else body, signature)


def is_forged(body: str | bytes, signature: str) -> bool:
    try:
        read(body, signature)
    except ForgedWebhookError:
        return True
    return False


@pytest.mark.parametrize("type_", sorted(OF_INTENTS))
def test_what_stripe_has_signed_is_a_hint_at_the_intent_and_its_reservation(type_: str) -> None:
    body = PAYLOAD.replace("payment_intent.succeeded", type_)
    assert read(body, signed(body)) == HINT


@pytest.mark.parametrize("type_", sorted(OF_MONEY))
@pytest.mark.parametrize("metadata", [{}, {"reservation_id": RESERVATION}])
def test_a_change_of_a_refund_or_dispute_is_a_hint_at_its_intent_alone(type_: str, metadata: dict[str, str]) -> None:
    refund = {"id": "re_1", "object": "refund", "payment_intent": "pi_1", "metadata": metadata}
    body = json.dumps({"id": "evt_1", "object": "event", "type": type_, "data": {"object": refund}})
    assert read(body, signed(body)) == Hint("pi_1")


def test_a_body_is_read_as_it_was_sent_and_not_as_json_writes_it_anew() -> None:
    for body in (f" {PAYLOAD}\n", payload(description="Große Tasse"), PAYLOAD.replace('": ', '":')):
        assert read(body, signed(body)) == HINT
        assert is_forged(json.dumps(json.loads(body), indent=1), signed(body))


@pytest.mark.parametrize("order", [1, -1])
def test_while_a_secret_is_changed_either_signature_will_do(order: int) -> None:
    signatures = [digest(), digest(secret="whsec_of_before")][::order]
    assert read(PAYLOAD, f"t={NOW},v1={signatures[0]},v1={signatures[1]}") == HINT


def test_other_schemes_are_passed_over() -> None:
    assert read(PAYLOAD, f"t={NOW},v1={digest()},v0={'0' * 64}") == HINT
    assert is_forged(PAYLOAD, f"t={NOW},v0={digest()}")


def test_another_secret_another_body_and_another_time_are_forged() -> None:
    assert is_forged(PAYLOAD, signed(secret="whsec_other"))
    assert is_forged(payload(id="pi_2"), signed())
    assert is_forged(PAYLOAD + " ", signed())
    assert is_forged(PAYLOAD, f"t={NOW + 1},v1={digest()}")
    assert is_forged(PAYLOAD, f"t={NOW},v1={digest()[:-1]}")
    assert is_forged(PAYLOAD, f"t={NOW},v1={digest().upper()}")


@pytest.mark.parametrize("direction", [1, -1])
def test_a_signature_holds_five_minutes_before_and_after_its_time(direction: int) -> None:
    at = NOW + direction * TOLERANCE_SECONDS
    assert read(PAYLOAD, signed(at=at)) == HINT
    assert is_forged(PAYLOAD, signed(at=at + direction))


@pytest.mark.parametrize(
    "signature",
    [
        "",
        ",",
        "=",
        "garbage",
        f"v1={digest()}",
        f"t=,v1={digest()}",
        f"t,v1={digest()}",
        f"t=soon,v1={digest()}",
        f"t=-{NOW},v1={digest()}",
        f"t={NOW}.0,v1={digest()}",
        f"t={'9' * 5000},v1={digest()}",
        f"t=\N{ARABIC-INDIC DIGIT ONE},v1={digest()}",
        f"t={NOW},t={NOW},v1={digest()}",
        f"t={NOW - 1},t={NOW},v1={digest()}",
        f"t={NOW}",
        f"t={NOW},v1",
        f"t={NOW},v1=",
        f"t={NOW},v1={digest()}=",
        f"t={NOW},v1=\xe9{digest()[1:]}",
        f"t={NOW},v1=\N{SNOWMAN}",
        f"t={NOW},v1=\ud800",
        f"t={NOW};v1={digest()}",
    ],
)
def test_a_header_that_is_not_one_time_with_its_signature_is_forged(signature: str) -> None:
    assert is_forged(PAYLOAD, signature)


def event_of(type_: Any, data: Any) -> str:
    return json.dumps({"id": "evt_1", "object": "event", "type": type_, "data": data})


@pytest.mark.parametrize(
    "body",
    [
        PAYLOAD.replace("payment_intent.succeeded", "charge.succeeded"),
        PAYLOAD.replace("payment_intent.succeeded", "payment_intent.created"),
        PAYLOAD.replace("payment_intent.succeeded", "refund.created"),
        payload(metadata={}),
        payload(metadata=None),
        payload(metadata={"reservation_id": None}),
        payload(metadata={"reservation_id": "r1"}),
        payload(metadata={"reservation_id": RESERVATION.upper()}),
        payload(metadata={"reservation_id": f"{RESERVATION}\n"}),
        payload(metadata={"reservation_id": RESERVATION.replace("-", "")}),
        payload(id=None),
        payload(id="ch_1"),
        payload(id="pi_1/cancel"),
        payload(id="pi_1\n"),
        payload(id="pi_" + "x" * 251),
        event_of("payment_intent.succeeded", None),
        event_of("payment_intent.succeeded", {"object": "pi_1"}),
        event_of(None, {"object": {}}),
        "[]",
        '"payment_intent.succeeded"',
        "",
        "{",
        "not JSON",
    ],
)
def test_what_is_signed_and_none_of_our_business_is_no_hint(body: str) -> None:
    assert read(body, signed(body)) is None


def test_bytes_that_are_no_text_are_no_hint() -> None:
    body = b'{"type": "\xe9"}'  # the official package can't sign them
    assert is_forged(body, signed())
    assert read(body, f"t={NOW},v1={_digest_of_bytes(body)}") is None


def test_the_secret_is_asked_for_only_when_all_else_is_right() -> None:
    def unreadable() -> tuple[str, ...]:
        raise SecretUnavailableError("payment-webhook-secret")

    webhook = StripeWebhook(Secret(unreadable), CLOCK)
    for signature in ("", f"t={NOW - TOLERANCE_SECONDS - 1},v1={digest()}"):
        with pytest.raises(ForgedWebhookError):
            webhook.read(PAYLOAD.encode(), signature)
    with pytest.raises(SecretUnavailableError):
        webhook.read(PAYLOAD.encode(), signed())


def test_a_webhook_of_either_secret_is_read_and_of_a_new_one_at_once() -> None:
    values = [("whsec_old",), (SECRET, "whsec_old")]
    webhook = StripeWebhook(Secret(lambda: values.pop(0)), CLOCK)
    for secret in ("whsec_old", SECRET, "whsec_old"):
        assert webhook.read(PAYLOAD.encode(), signed(secret=secret)) == HINT
    with pytest.raises(ForgedWebhookError):
        webhook.read(PAYLOAD.encode(), signed(secret="whsec_guessed"))
    assert values == []


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (PAYLOAD, "t={now},v1={good}"),
        (PAYLOAD, "t={now},v1={other},v1={good}"),
        (PAYLOAD, "t={now},v1={good},v0={other}"),
        (PAYLOAD, "v1={good},t={now}"),
        (PAYLOAD, "t={now},v1={other}"),
        (PAYLOAD, "t={now},v0={good}"),
        (PAYLOAD, "t={now}"),
        (PAYLOAD, "v1={good}"),
        (PAYLOAD, "t={late},v1={late_good}"),
        (PAYLOAD + " ", "t={now},v1={good}"),
        (PAYLOAD, ""),
    ],
)
def test_the_official_package_agrees_with_ours(body: str, header: str) -> None:
    now = int(time.time())
    late = now - TOLERANCE_SECONDS - 60
    signature = header.format(
        now=now,
        late=late,
        good=digest(at=now),
        other=digest(secret="whsec_other", at=now),
        late_good=digest(at=late),
    )
    try:
        event = stripe.Webhook.construct_event(body, signature, SECRET)
    except stripe.SignatureVerificationError:
        with pytest.raises(ForgedWebhookError):
            read(body, signature, datetime.now(UTC))
    else:
        intent = event.data.object
        assert read(body, signature, datetime.now(UTC)) == Hint(intent["id"], intent["metadata"]["reservation_id"])


def _digest_of_bytes(body: bytes) -> str:
    return hmac.new(SECRET.encode(), f"{NOW}.".encode() + body, hashlib.sha256).hexdigest()
