"""One contract for the fake and for the adapter, which talks to the mock provider over HTTP."""

import http.server
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import httpx
import pytest

from shop_cli.payment_provider.testing import ProviderProcess
from shop_command.adapters.payment import API_VERSION, SENDS_MAX, StripeGateway
from shop_command.adapters.system import SecretUnavailableError
from shop_command.ports import Captured, Created, Declined, PaymentGateway, Refused, Unconfirmed, Unknown
from shop_command.testing import FakeGateway
from shop_command.testing.fakes import DECLINES
from shop_shared.values import Money

AMOUNT = Money(amount_minor=1_999, currency="EUR")
KEY = "sk_test_local"


def created(gateway: PaymentGateway, reservation_id: str) -> str:
    outcome = gateway.create(reservation_id, AMOUNT)
    assert isinstance(outcome, Created)
    return outcome.payment_intent_id


class Contract:
    @pytest.fixture
    def gateway(self) -> PaymentGateway:
        raise NotImplementedError

    @pytest.fixture
    def reservation_id(self) -> str:
        return str(uuid.uuid4())

    def test_a_reservation_has_one_intent(self, gateway: PaymentGateway, reservation_id: str) -> None:
        intent = created(gateway, reservation_id)
        assert created(gateway, reservation_id) == intent
        assert created(gateway, str(uuid.uuid4())) != intent

    def test_a_new_intent_waits_for_its_confirmation(self, gateway: PaymentGateway, reservation_id: str) -> None:
        assert gateway.retrieve(created(gateway, reservation_id)) == Unconfirmed()

    @pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_mastercard"])
    def test_a_good_card_is_charged(self, gateway: PaymentGateway, reservation_id: str, card: str) -> None:
        intent = created(gateway, reservation_id)
        assert gateway.confirm(intent, reservation_id, 1, card) == Captured()
        assert gateway.retrieve(intent) == Captured()

    @pytest.mark.parametrize(("card", "decline"), DECLINES.items())
    def test_a_decline_says_why_and_leaves_the_intent_to_another_card(
        self, gateway: PaymentGateway, reservation_id: str, card: str, decline: Declined
    ) -> None:
        intent = created(gateway, reservation_id)
        assert gateway.confirm(intent, reservation_id, 1, card) == decline
        assert gateway.retrieve(intent) == Unconfirmed()
        assert gateway.confirm(intent, reservation_id, 2, "pm_card_visa") == Captured()

    def test_a_payment_method_that_does_not_exist_is_a_decline(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        assert gateway.confirm(intent, reservation_id, 1, "pm_none") == Declined("resource_missing")
        assert gateway.confirm(intent, reservation_id, 1, "pm_none") == Declined("resource_missing")
        assert gateway.confirm(intent, reservation_id, 2, "pm_card_visa") == Captured()

    @pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_visa_chargeDeclined"])
    def test_a_repeated_attempt_has_the_same_outcome(
        self, gateway: PaymentGateway, reservation_id: str, card: str
    ) -> None:
        intent = created(gateway, reservation_id)
        first = gateway.confirm(intent, reservation_id, 1, card)
        assert gateway.confirm(intent, reservation_id, 1, card) == first

    def test_an_intent_that_was_charged_by_an_earlier_attempt_is_captured(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        gateway.confirm(intent, reservation_id, 1, "pm_card_error_after_charge")
        assert gateway.confirm(intent, reservation_id, 2, "pm_card_visa") == Captured()

    @pytest.mark.parametrize("card", ["pm_card_timeout_after_charge", "pm_card_error_after_charge"])
    def test_a_lost_answer_is_unknown_and_the_intent_tells_that_it_was_charged(
        self, gateway: PaymentGateway, reservation_id: str, card: str
    ) -> None:
        intent = created(gateway, reservation_id)
        assert isinstance(gateway.confirm(intent, reservation_id, 1, card), Unknown)
        assert gateway.retrieve(intent) == Captured()

    def test_an_error_before_the_charge_is_unknown_too_and_the_intent_tells_that_it_was_not_charged(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        for _ in range(2):
            assert isinstance(gateway.confirm(intent, reservation_id, 1, "pm_card_error_before_charge"), Unknown)
        assert gateway.retrieve(intent) == Unconfirmed()

    def test_an_intent_that_the_provider_does_not_know_is_unknown(self, gateway: PaymentGateway) -> None:
        assert isinstance(gateway.retrieve("pi_none"), Unknown)


class TestFakeGateway(Contract):
    @pytest.fixture
    def gateway(self) -> PaymentGateway:
        return FakeGateway()


class TestStripeGateway(Contract):
    @pytest.fixture
    def gateway(self, provider: ProviderProcess) -> PaymentGateway:
        return StripeGateway(provider.url, lambda: provider.api_key, read_timeout_seconds=0.4)

    def test_a_slow_card_is_under_way_until_it_is_charged(
        self, gateway: PaymentGateway, provider: ProviderProcess, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        impatient = StripeGateway(provider.url, lambda: provider.api_key, read_timeout_seconds=0.1)
        assert isinstance(impatient.confirm(intent, reservation_id, 1, "pm_card_slow"), Unknown)
        assert gateway.retrieve(intent) == Unknown("processing")
        repeated = gateway.confirm(intent, reservation_id, 1, "pm_card_slow")
        assert isinstance(repeated, Unknown)
        assert repeated.reason == "HTTP 409 invalid_request_error idempotency_key_in_use"
        deadline = time.monotonic() + 5
        while gateway.retrieve(intent) != Captured() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert gateway.confirm(intent, reservation_id, 1, "pm_card_slow") == Captured()

    def test_the_provider_records_the_amount_and_whose_reservation_it_is(
        self, gateway: PaymentGateway, provider: ProviderProcess, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        headers = {"Authorization": f"Bearer {provider.api_key}"}
        found = httpx.get(f"{provider.url}/v1/payment_intents/{intent}", headers=headers).json()
        assert (found["amount"], found["currency"]) == (1_999, "eur")
        assert found["metadata"] == {"reservation_id": reservation_id}

    def test_an_amount_that_is_never_taken_is_refused(self, gateway: PaymentGateway, reservation_id: str) -> None:
        too_much = Money(amount_minor=100_000_000, currency="EUR")
        assert gateway.create(reservation_id, too_much) == Refused("parameter_invalid_integer")

    def test_a_key_that_was_used_for_something_else_leaves_the_outcome_open(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        gateway.confirm(intent, reservation_id, 1, "pm_card_visa_chargeDeclined")
        assert isinstance(gateway.confirm(intent, reservation_id, 1, "pm_card_visa"), Unknown)
        assert isinstance(gateway.create(reservation_id, Money(amount_minor=1, currency="EUR")), Unknown)

    def test_a_cancelled_intent_is_declined_for_good(
        self, gateway: PaymentGateway, provider: ProviderProcess, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        headers = {"Authorization": f"Bearer {provider.api_key}"}
        httpx.post(f"{provider.url}/v1/payment_intents/{intent}/cancel", headers=headers).raise_for_status()
        assert gateway.retrieve(intent) == Declined("payment_intent_canceled")
        assert gateway.confirm(intent, reservation_id, 1, "pm_card_visa") == Declined("payment_intent_canceled")

    def test_a_wrong_api_key_proves_nothing_about_money(self, provider: ProviderProcess, reservation_id: str) -> None:
        gateway = StripeGateway(provider.url, lambda: "sk_wrong")
        assert isinstance(gateway.create(reservation_id, AMOUNT), Unknown)
        assert isinstance(gateway.confirm("pi_1", reservation_id, 1, "pm_card_visa"), Unknown)
        assert isinstance(gateway.retrieve("pi_1"), Unknown)


def everything(gateway: PaymentGateway) -> list[object]:
    return [
        gateway.create("reservation", AMOUNT),
        gateway.confirm("pi_1", "reservation", 1, "pm_card_visa"),
        gateway.retrieve("pi_1"),
    ]


def test_no_connection_is_unknown() -> None:
    assert all(isinstance(outcome, Unknown) for outcome in everything(StripeGateway("http://127.0.0.1:1", lambda: KEY)))


def test_an_api_key_that_cannot_be_read_is_unknown_and_nothing_is_sent() -> None:
    def unreadable() -> str:
        raise SecretUnavailableError("payment-api-key")

    outcomes = everything(StripeGateway("http://127.0.0.1:1", unreadable))
    assert outcomes == [Unknown("SecretUnavailableError")] * 3


class Scripted(http.server.BaseHTTPRequestHandler):
    status: ClassVar[int] = 200
    answer: ClassVar[bytes] = b""
    seen: ClassVar[list[Any]] = []
    cut: ClassVar[int] = 0
    """So many requests are read, and then the connection is closed without an answer."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.path, dict(self.headers), body.decode()))
        if Scripted.cut:
            Scripted.cut -= 1
            return
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    do_GET = do_POST  # noqa: N815 - the name that the server calls

    def log_message(self, *_: object) -> None:
        """Not to the tests' output."""


@pytest.fixture
def scripted() -> Iterator[Callable[[int, Any], StripeGateway]]:
    Scripted.seen.clear()
    Scripted.cut = 0
    with _serving() as url:

        def answering(status: int, answer: Any) -> StripeGateway:
            Scripted.status = status
            Scripted.answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            return StripeGateway(url, lambda: KEY)

        yield answering


@contextmanager
def _serving() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, {"error": {"type": "api_error"}}),
        (502, b"<html>Bad gateway</html>"),
        (429, {"error": {"type": "invalid_request_error", "code": "rate_limit"}}),
        (409, {"error": {"type": "invalid_request_error", "code": "idempotency_key_in_use"}}),
        (401, {"error": {"type": "invalid_request_error"}}),
        (404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}),
        (307, b""),
        (200, b""),
        (200, b"[]"),
        (200, {"status": "something_new"}),
        (400, {"error": {"type": "idempotency_error"}}),
        (402, b"not JSON"),
    ],
)
def test_what_proves_nothing_is_unknown(scripted: Any, status: int, answer: Any) -> None:
    assert all(isinstance(outcome, Unknown) for outcome in everything(scripted(status, answer)))


def test_a_connection_that_turns_out_to_be_dead_is_replaced_once(scripted: Any) -> None:
    gateway = scripted(200, {"id": "pi_1", "status": "succeeded"})
    Scripted.cut = 1
    assert gateway.confirm("pi_1", "reservation", 1, "pm_card_visa") == Captured()
    assert [seen[1]["Idempotency-Key"] for seen in Scripted.seen] == ["reservation:confirm:1"] * 2
    Scripted.cut = SENDS_MAX
    assert gateway.confirm("pi_1", "reservation", 1, "pm_card_visa") == Unknown("ProtocolError")
    assert len(Scripted.seen) == 2 + SENDS_MAX


def test_a_card_that_wants_its_owner_to_be_asked_is_declined(scripted: Any) -> None:
    gateway = scripted(200, {"id": "pi_1", "status": "requires_action"})
    assert gateway.confirm("pi_1", "reservation", 1, "pm_card_visa") == Declined("authentication_required")


def test_a_long_code_is_cut_to_what_an_event_holds(scripted: Any) -> None:
    declined = scripted(402, {"error": {"type": "card_error", "code": "x" * 500, "decline_code": "y" * 500}})
    outcome = declined.confirm("pi_1", "reservation", 1, "pm_card_visa")
    assert outcome == Declined("x" * 100, "y" * 100)


def test_requests_are_in_stripes_format(scripted: Any) -> None:
    everything(scripted(500, {}))
    (create, confirm, retrieve) = Scripted.seen
    assert (create[0], confirm[0]) == ("/v1/payment_intents", "/v1/payment_intents/pi_1/confirm")
    assert create[2] == (
        "amount=1999&currency=eur&payment_method_types%5B%5D=card&metadata%5Breservation_id%5D=reservation"
    )
    assert confirm[2] == "payment_method=pm_card_visa"
    assert create[1]["Idempotency-Key"] == "reservation:create"
    assert confirm[1]["Idempotency-Key"] == "reservation:confirm:1"
    assert "Idempotency-Key" not in retrieve[1]
    for _, headers, _ in (create, confirm, retrieve):
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert headers["Stripe-Version"] == API_VERSION
    assert create[1]["Content-Type"] == "application/x-www-form-urlencoded"
