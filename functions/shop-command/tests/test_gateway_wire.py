"""What the adapter sends and what it makes of answers, byte by byte, without a provider."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from shop_command.adapters import provider_events
from shop_command.adapters.payment import API_VERSION, LIST_PAGES_MAX, LISTED_PER_PAGE, SENDS_MAX, StripeGateway
from shop_command.adapters.provider_errors import ERROR_KINDS, Proof, proof
from shop_command.adapters.secrets import Secret, SecretUnavailableError
from shop_command.ports import (
    ActionRequired,
    AskedIntent,
    Captured,
    Declined,
    EventPage,
    EventsForgotten,
    Hint,
    IntentCancelled,
    IntentMissing,
    ListedDispute,
    ListedRefund,
    PaymentGateway,
    Processing,
    ProviderEvent,
    RefundOrder,
    RefundRefused,
    Returned,
    Unconfirmed,
    Unknown,
)
from shop_payment_provider.testing import ProviderProcess
from shop_shared.values import Money

AMOUNT = Money(amount_minor=1_999, currency="EUR")
KEY = "sk_test_local"
KNOWN_KEY = Secret(lambda: (KEY,))
ASKED = AskedIntent("pi_1", "reservation", AMOUNT)


def intent(status: str, **more: Any) -> dict[str, Any]:
    """The provider's object for what is asked for here."""
    own = {"id": "pi_1", "amount": 1_999, "currency": "eur", "metadata": {"reservation_id": "reservation"}}
    return {**own, "amount_received": 1_999 if status == "succeeded" else 0, "status": status, **more}


ORDER = RefundOrder("pi_1", "reservation", 2, "EUR", 700, "duplicate")
META = "metadata%5Breservation_id%5D=reservation"


def everything(gateway: PaymentGateway) -> list[object]:
    return [
        gateway.create("reservation", 1, AMOUNT),
        gateway.confirm(ASKED, 2, "pm_card_visa"),
        gateway.retrieve(ASKED),
        gateway.cancel(ASKED),
        gateway.refund(ORDER),
        gateway.find_refund(ORDER),
        gateway.refunds_of("pi_1", "reservation"),
        gateway.disputes_of("pi_1"),
        gateway.events_after("evt_1"),
        gateway.events_since(datetime(2026, 11, 23, 9, tzinfo=UTC), "evt_1"),
        gateway.reservation_of("pi_1"),
    ]


def test_a_wrong_api_key_proves_nothing_about_money(provider: ProviderProcess) -> None:
    assert all(
        isinstance(outcome, Unknown) for outcome in everything(StripeGateway(provider.url, Secret(lambda: ("sk_x",))))
    )


def test_no_connection_is_unknown() -> None:
    assert all(isinstance(outcome, Unknown) for outcome in everything(StripeGateway("http://127.0.0.1:1", KNOWN_KEY)))


def test_an_api_key_that_cannot_be_read_is_unknown_and_nothing_is_sent() -> None:
    def unreadable() -> tuple[str, ...]:
        raise SecretUnavailableError("payment-api-key")

    outcomes = everything(StripeGateway("http://127.0.0.1:1", Secret(unreadable)))
    assert outcomes == [Unknown("SecretUnavailableError")] * 11


class Scripted(http.server.BaseHTTPRequestHandler):
    answers: ClassVar[list[tuple[int, bytes]]] = []
    """One after the other, and the last one for ever."""
    seen: ClassVar[list[Any]] = []
    cut: ClassVar[int] = 0
    """So many requests are read, and then the connection is closed without an answer."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((f"{self.command} {self.path}", dict(self.headers), body.decode()))
        if Scripted.cut:
            Scripted.cut -= 1
            return
        status, answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815 - the name that the server calls

    def log_message(self, *_: object) -> None:
        """Writes nothing to the tests' output."""


Answering = Callable[..., StripeGateway]


@pytest.fixture
def scripted() -> Iterator[Answering]:
    Scripted.seen.clear()
    Scripted.cut = 0
    with _serving() as url:

        def answering(*answers: tuple[int, Any], api_key: Secret = KNOWN_KEY) -> StripeGateway:
            Scripted.answers = [
                (status, answer if isinstance(answer, bytes) else json.dumps(answer).encode())
                for status, answer in answers
            ]
            return StripeGateway(url, api_key)

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


def refusal(code: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return 400, {"error": {"type": "invalid_request_error", "code": code, **more}}


def test_a_refused_key_is_read_again_and_the_same_call_sent_once_more(scripted: Answering) -> None:
    refused = 401, {"error": {"type": "invalid_request_error"}}
    keys = [("sk_old",), ("sk_new", "sk_old")]
    gateway = scripted(refused, (200, intent("succeeded")), refused, api_key=Secret(lambda: keys.pop(0)))
    assert gateway.confirm(ASKED, 2, "pm_card_visa") == Captured()
    (path, first, body), again = Scripted.seen
    assert (first["Authorization"], again[1]["Authorization"]) == ("Bearer sk_old", "Bearer sk_new")
    assert again == (path, {**first, "Authorization": "Bearer sk_new"}, body)
    assert isinstance(gateway.retrieve(ASKED), Unknown), "a key that is refused again is not tried for ever"
    assert len(Scripted.seen) == 3


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, {"error": {"type": "api_error"}}),
        (500, intent("succeeded")),
        (502, b"<html>Bad gateway</html>"),
        (429, {"error": {"type": "invalid_request_error", "code": "rate_limit"}}),
        (409, {"error": {"type": "invalid_request_error", "code": "idempotency_key_in_use"}}),
        (401, {"error": {"type": "invalid_request_error"}}),
        (404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}),
        (307, b""),
        (200, b""),
        (200, b"[]"),
        (200, b"\xff"),
        (200, intent("something_new") | {"id": 1}),
        (200, {"id": 1, "status": "requires_capture"}),
        (200, {"data": []}),
        (200, {"data": [{"id": "re_1", "status": "pending"}, {"id": "re_2", "status": "failed"}]}),
        (200, {"data": ["re_1", {"status": "succeeded"}]}),
        (400, {"error": {"type": "idempotency_error"}}),
        (402, b"not JSON"),
    ],
)
def test_what_proves_nothing_is_unknown(scripted: Answering, status: int, answer: Any) -> None:
    assert [type(outcome) for outcome in everything(scripted((status, answer)))] == [Unknown] * 11


MISSING = 404, {"error": {"type": "invalid_request_error", "code": "resource_missing", "param": "intent"}}
ANOTHER_REASON = "the answer is about another intent, reservation, amount or currency"


@pytest.mark.parametrize(
    ("answer", "reason", "intent_id"),
    [
        ((403, {"error": {"type": "invalid_request_error"}}), "HTTP 403 invalid_request_error", None),
        (MISSING, "HTTP 404 invalid_request_error resource_missing", "pi_1"),
        ((200, intent("succeeded", id="pi_2")), ANOTHER_REASON, "pi_1"),
    ],
)
def test_an_operator_finds_what_needs_one_by_its_reason_and_intent(
    scripted: Answering, caplog: pytest.LogCaptureFixture, answer: tuple[int, Any], reason: str, intent_id: str | None
) -> None:
    scripted(answer).retrieve(ASKED)
    found = [vars(record) for record in caplog.records if "needs an operator" in record.message]
    assert [(line["reason"], line["payment_intent_id"]) for line in found] == [(reason, intent_id)]


def test_an_operator_finds_why_an_outcome_is_open(scripted: Answering, caplog: pytest.LogCaptureFixture) -> None:
    gateway = scripted((500, {"error": {"type": "api_error"}}), (200, b""), (200, {**OURS, "currency": "usd"}))
    gateway.retrieve(ASKED)
    gateway.retrieve(ASKED)
    gateway.refund(ORDER)
    lines = [vars(record) for record in caplog.records if "payment provider" in record.message]
    assert [line["reason"] for line in lines] == ["HTTP 500 api_error", "JSONDecodeError", "HTTP 200", "HTTP 200"]
    assert lines[1]["message"] == "the payment provider did not answer"
    assert "another refund" in lines[2]["message"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(scripted: Answering, status: int) -> None:
    gateway = scripted((status, {}), (200, intent("succeeded")))
    assert gateway.confirm(ASKED, 1, "pm_card_visa") == Unknown(f"HTTP {status}")
    assert len(Scripted.seen) == 1


@pytest.mark.parametrize("status", ["succeeded", "canceled", "processing", "requires_payment_method"])
@pytest.mark.parametrize(
    "other",
    [
        {"id": "pi_2"},
        {"metadata": {"reservation_id": "another"}},
        {"metadata": {}},
        {"amount": 1_998},
        {"amount": "1999"},
        {"currency": "usd"},
    ],
)
def test_an_answer_about_another_intent_is_unknown_whatever_it_says(
    scripted: Answering, status: str, other: dict[str, Any]
) -> None:
    found = intent(status) | other
    refused = refusal("payment_intent_unexpected_state", payment_intent=found)
    for answer in ((200, found), refused):
        gateway = scripted(answer)
        assert isinstance(gateway.confirm(ASKED, 1, "pm_card_visa"), Unknown)
        assert isinstance(gateway.cancel(ASKED), Unknown)
    assert isinstance(scripted((200, found)).retrieve(ASKED), Unknown)
    created = scripted((200, found)).create("reservation", 1, AMOUNT)
    assert isinstance(created, Unknown) == (other != {"id": "pi_2"}), "a new intent may have any id"


def test_money_that_came_in_another_amount_is_unknown(scripted: Answering) -> None:
    assert scripted((200, intent("succeeded", amount_received=1))).retrieve(ASKED) == Unknown("not what was asked for")


def test_a_decline_of_another_intent_declines_nothing(scripted: Answering) -> None:
    error = {"type": "card_error", "code": "card_declined"}
    other = intent("requires_payment_method", metadata={"reservation_id": "another"})
    gateway = scripted((402, {"error": {**error, "payment_intent": other}}))
    assert gateway.confirm(ASKED, 1, "pm_card_visa") == Unknown("not what was asked for")
    gateway = scripted((402, {"error": {**error, "payment_intent": intent("requires_payment_method")}}))
    assert gateway.confirm(ASKED, 1, "pm_card_visa") == Declined("card_declined")


INVALID = "invalid_request_error"
PROOFS: list[tuple[int, dict[str, str], Proof]] = [
    (429, {"type": INVALID, "code": "rate_limit"}, Proof.NOTHING),
    (429, {"type": INVALID, "code": "lock_timeout"}, Proof.NOTHING),
    (400, {"type": INVALID, "code": "lock_timeout"}, Proof.NOTHING),
    (409, {"type": INVALID, "code": "idempotency_key_in_use"}, Proof.NOTHING),
    (400, {"type": "idempotency_error"}, Proof.NOTHING),
    (424, {"type": "api_error"}, Proof.NOTHING),
    (500, {"type": "api_error"}, Proof.NOTHING),
    (503, {"type": INVALID}, Proof.NOTHING),
    (307, {}, Proof.NOTHING),
    (401, {"type": INVALID}, Proof.OURS),
    (403, {"type": INVALID, "code": "more_permissions_required"}, Proof.OURS),
    (404, {"type": INVALID}, Proof.OURS),
    (402, {"type": "card_error", "code": "card_declined"}, Proof.DECLINED),
    (400, {"type": INVALID, "code": "payment_intent_unexpected_state"}, Proof.ENDED),
    (400, {"type": INVALID, "code": "charge_already_refunded"}, Proof.ENDED),
    (404, {"type": INVALID, "code": "resource_missing", "param": "intent"}, Proof.MISSING),
    (400, {"type": INVALID, "code": "resource_missing", "param": "payment_intent"}, Proof.MISSING),
    (400, {"type": INVALID, "code": "resource_missing", "param": "payment_method"}, Proof.REFUSED),
    (400, {"type": INVALID, "code": "amount_too_small"}, Proof.REFUSED),
    (402, {"type": INVALID, "code": "insufficient_funds"}, Proof.REFUSED),
]


@pytest.mark.parametrize(("status", "error", "proven"), PROOFS)
def test_an_error_proves_what_the_table_says(status: int, error: dict[str, str], proven: Proof) -> None:
    assert proof(status, error) is proven


def test_the_table_in_the_document_is_the_one_in_the_code() -> None:
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    rows = text.partition("| HTTP status | type | code | param | proves |\n|---|---|---|---|---|\n")[2].split("\n\n")[0]
    shown = [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows.splitlines()]
    held = [
        [", ".join(map(str, it.statuses)), it.type or "", it.code or "", it.param or "", it.proof] for it in ERROR_KINDS
    ]
    assert shown == [*held, ["any other", "", "", "", Proof.NOTHING]]


def test_every_row_of_the_table_of_errors_decides_something() -> None:
    covering = [[kind for kind in ERROR_KINDS if kind.covers(status, error)][:1] for status, error, _ in PROOFS]
    assert {kind for first in covering for kind in first} == set(ERROR_KINDS)


@pytest.mark.parametrize(("status", "error", "proven"), PROOFS)
def test_a_confirmation_ends_for_good_or_stays_due_as_its_error_proves(
    scripted: Answering, status: int, error: dict[str, str], proven: Proof
) -> None:
    outcomes: dict[Proof, type] = {
        Proof.NOTHING: Unknown,
        Proof.OURS: Unknown,
        Proof.ENDED: Unknown,  # the second answer is the same error, and says nothing of the intent's state
        Proof.DECLINED: Declined,
        Proof.REFUSED: Declined,
        Proof.MISSING: IntentMissing,
    }
    gateway = scripted((status, {"error": error}))
    assert type(gateway.confirm(ASKED, 1, "pm_card_visa")) is outcomes[proven]
    missing = proven is Proof.MISSING
    assert isinstance(gateway.retrieve(ASKED), IntentMissing if missing else Unknown)
    assert isinstance(gateway.cancel(ASKED), IntentMissing if missing else Unknown)


def test_a_connection_that_turns_out_to_be_dead_is_replaced_once(scripted: Answering) -> None:
    gateway = scripted((200, intent("succeeded")))
    Scripted.cut = 1
    assert gateway.confirm(ASKED, 1, "pm_card_visa") == Captured()
    assert [seen[1]["Idempotency-Key"] for seen in Scripted.seen] == ["reservation:confirm:1"] * 2
    Scripted.cut = SENDS_MAX
    assert gateway.confirm(ASKED, 1, "pm_card_visa") == Unknown("ProtocolError")
    assert len(Scripted.seen) == 2 + SENDS_MAX


PAGE = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank.example/?secret=s", "return_url": "r"}}


@pytest.mark.parametrize(
    ("action", "url"), [(PAGE, "https://bank.example/?secret=s"), ({"type": "use_stripe_sdk"}, None), (None, None)]
)
def test_a_card_whose_bank_asks_its_owner_waits_for_3d_secure(
    scripted: Answering, action: Any, url: str | None
) -> None:
    gateway = scripted((200, intent("requires_action", client_secret="pi_1_secret_1", next_action=action)))
    outcome = gateway.confirm(ASKED, 1, "pm_card_visa")
    assert outcome == ActionRequired("pi_1_secret_1", url)
    assert gateway.retrieve(ASKED) == outcome
    assert "secret" not in repr(outcome).replace("client_secret", "")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("succeeded", Captured()), ("canceled", IntentCancelled()), ("requires_payment_method", Declined("code", "why"))],
)
def test_an_answer_that_asks_for_3d_secure_may_be_old(scripted: Answering, status: str, outcome: object) -> None:
    now = intent(status, last_payment_error={"code": "code", "decline_code": "why"})
    gateway = scripted((200, intent("requires_action")), (200, now))
    assert gateway.confirm(ASKED, 1, "pm_card_visa") == outcome


def test_an_answer_that_asks_for_3d_secure_counts_if_nothing_newer_is_found_out(scripted: Answering) -> None:
    asks = intent("requires_action", client_secret="s")
    for newer in ((500, {}), (200, intent("requires_payment_method"))):
        assert scripted((200, asks), newer).confirm(ASKED, 1, "pm_card_visa") == ActionRequired("s", None)


def test_the_page_to_come_back_to_is_sent_with_the_confirmation(scripted: Answering) -> None:
    gateway = scripted((500, {}))
    gateway._return_url = "https://shop.example/paid?a=b"
    gateway.confirm(ASKED, 1, "pm_card_visa")
    assert Scripted.seen[0][2] == "payment_method=pm_card_visa&return_url=https%3A%2F%2Fshop.example%2Fpaid%3Fa%3Db"


def test_a_decline_on_record_is_not_taken_for_the_current_attempts(scripted: Answering) -> None:
    error = {"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}
    for status in ("requires_payment_method", "requires_confirmation"):
        gateway = scripted((200, intent(status, last_payment_error=error)))
        assert gateway.retrieve(ASKED) == Unconfirmed("card_declined", "lost_card"), (
            "which may be of an earlier attempt"
        )
        assert scripted((200, intent(status, last_payment_error={"message": "m"}))).retrieve(ASKED) == Unconfirmed(
            "unknown"
        )


@pytest.mark.parametrize(
    ("status", "outcome"), [("succeeded", Captured()), ("canceled", IntentCancelled()), ("processing", Processing())]
)
def test_an_ended_intent_says_so_in_every_answer(scripted: Answering, status: str, outcome: object) -> None:
    found = intent(status)
    refused = refusal("payment_intent_unexpected_state", payment_intent=found)
    for answers in ([(200, found)], [refused, (200, found)]):
        assert scripted(*answers).confirm(ASKED, 1, "pm_card_visa") == outcome
        assert scripted(*answers).cancel(ASKED) == outcome
    assert scripted((200, found)).retrieve(ASKED) == outcome


@pytest.mark.parametrize("logged", [{}, {"payment_intent": intent("processing")}])
def test_a_refusal_that_does_not_tell_the_end_makes_the_gateway_ask(scripted: Answering, logged: Any) -> None:
    refused = refusal("payment_intent_unexpected_state", **logged)
    for status, outcome in (
        ("succeeded", Captured()),
        ("canceled", IntentCancelled()),
        ("processing", Processing()),
        ("requires_payment_method", Unknown("HTTP 400 invalid_request_error payment_intent_unexpected_state")),
    ):
        assert scripted(refused, (200, intent(status))).confirm(ASKED, 1, "pm_card_visa") == outcome
        assert scripted(refused, (200, intent(status))).cancel(ASKED) == outcome
    assert isinstance(scripted(refused).cancel(ASKED), Unknown)


OURS = {
    "id": "re_1",
    "status": "succeeded",
    "amount": 700,
    "currency": "eur",
    "payment_intent": "pi_1",
    "metadata": {"reservation_id": "reservation", "refund": "2"},
}
OTHERS = [
    {"id": "re_9"},
    {"amount": 701},
    {"currency": "usd"},
    {"payment_intent": "pi_2"},
    {"metadata": {}},
    {"metadata": {"reservation_id": "another", "refund": "2"}},
    {"metadata": {"reservation_id": "reservation", "refund": "1"}},
    {"metadata": {"reservation_id": "reservation"}},
    {"metadata": None},
    {"amount": None},
    {"status": "unheard_of"},
]
DONE = Returned("re_1", Money(amount_minor=700, currency="EUR"))


@pytest.mark.parametrize("other", OTHERS[1:], ids=str)
def test_an_answer_counts_only_for_the_refund_that_was_asked_for(scripted: Answering, other: dict[str, Any]) -> None:
    wrong = {**OURS, **other}
    assert isinstance(scripted((200, wrong)).refund(ORDER), Unknown)
    listed = {"data": [wrong], "has_more": False}
    assert scripted((200, listed)).find_refund(ORDER) is None
    assert scripted((200, {"data": [wrong, OURS], "has_more": False})).find_refund(ORDER) == DONE


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({"status": "succeeded"}, DONE),
        ({"status": "pending"}, Processing()),
        ({"status": "requires_action"}, Processing()),
        ({"status": "failed", "failure_reason": "lost_or_stolen_card"}, RefundRefused("lost_or_stolen_card", "re_1")),
        ({"status": "canceled"}, RefundRefused("canceled", "re_1")),
    ],
)
def test_a_refunds_status_says_how_far_it_is(scripted: Answering, status: dict[str, Any], outcome: object) -> None:
    assert scripted((200, {**OURS, **status})).refund(ORDER) == outcome
    assert scripted((200, {"data": [{**OURS, **status}], "has_more": False})).find_refund(ORDER) == outcome


def test_a_refund_of_an_earlier_release_is_found(scripted: Answering) -> None:
    whole = replace(ORDER, refund=1, amount_minor=700)
    old = {**OURS, "metadata": {"reservation_id": "reservation"}}
    assert scripted((200, {"data": [old], "has_more": False})).find_refund(whole) == DONE


def test_the_provider_says_how_much_was_left_of_a_charge(scripted: Answering) -> None:
    stray = replace(ORDER, refund=0, amount_minor=None)
    answer = {**OURS, "amount": 5, "metadata": {"reservation_id": "reservation", "refund": "0"}}
    assert scripted((200, answer)).refund(stray) == Returned("re_1", Money(amount_minor=5, currency="EUR"))
    assert Scripted.seen[0][2] == f"payment_intent=pi_1&reason=duplicate&{META}&metadata%5Brefund%5D=0"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal("charge_already_refunded"), "charge_already_refunded"),
        (refusal("charge_disputed"), "charge_disputed"),
        (refusal("resource_missing"), "resource_missing"),
        ((400, {"error": {"type": "invalid_request_error", "param": "amount"}}), "invalid_request_error"),
        ((404, {"error": {"code": "resource_missing", "param": "payment_intent"}}), "resource_missing"),
        ((400, {"error": {"type": "invalid_request_error", "code": "lock_timeout"}}), None),
        ((404, {"error": {"type": "invalid_request_error"}}), None),
        ((400, {"error": {"type": "api_error"}}), None),
        ((400, {"error": {"type": "idempotency_error"}}), None),
        ((401, {"error": {"type": "invalid_request_error"}}), None),
        ((403, {"error": {"type": "invalid_request_error"}}), None),
        ((409, {"error": {"type": "invalid_request_error", "code": "lock_timeout"}}), None),
        ((429, {"error": {"type": "rate_limit_error"}}), None),
        ((500, {"error": {"type": "api_error"}}), None),
        ((503, {}), None),
    ],
)
def test_only_a_refusal_that_never_changes_ends_a_refund(
    scripted: Answering, answer: tuple[int, Any], code: str | None
) -> None:
    outcome = scripted(answer).refund(ORDER)
    assert outcome == RefundRefused(code) if code else isinstance(outcome, Unknown)


def test_the_list_tells_who_asked_for_each_refund_and_how_far_it_is(scripted: Answering) -> None:
    reservation = "6f1c8a52-3d0e-5b7a-9c44-e2d1f0a98b37"
    ours = {**OURS, "metadata": {"reservation_id": reservation, "refund": "2"}}
    old = {**OURS, "id": "re_2", "metadata": {"reservation_id": reservation}, "status": "pending"}
    theirs = {**OURS, "id": "re_3", "metadata": {}, "status": "failed", "failure_reason": "unknown", "reason": "x"}
    answer = {"data": [theirs, old, ours, {"id": "re_4"}, {**ours, "payment_intent": "pi_2"}], "has_more": False}
    assert scripted((200, answer)).refunds_of("pi_1", reservation) == [
        ListedRefund("re_1", 2, DONE.amount, "succeeded", None, "succeeded"),
        ListedRefund("re_2", 1, DONE.amount, "open", None, "pending"),
        ListedRefund("re_3", None, DONE.amount, "failed", None, "unknown"),
    ]


def test_a_dispute_is_read_as_far_as_it_is_one_of_this_intent(scripted: Answering) -> None:
    own = {"id": "du_1", "payment_intent": "pi_1", "amount": 500, "currency": "isk", "status": "needs_response"}
    details = {"evidence_details": {"due_by": 0}, "reason": "r" * 200}
    answer = {"data": [{**own, "id": "du_2", **details}, own], "has_more": False}
    five = Money(amount_minor=5, currency="ISK")
    assert scripted((200, answer)).disputes_of("pi_1") == [
        ListedDispute("du_1", "chargeback", five, "unknown", None),
        ListedDispute("du_2", "chargeback", five, "r" * 100, None),
    ]
    for odd in ({**own, "payment_intent": "pi_2"}, {**own, "amount": "5"}, {**own, "status": "new"}, None):
        assert scripted((200, {"data": [odd], "has_more": False})).disputes_of("pi_1") == []


@pytest.mark.parametrize(("net", "status"), [((), "withdrawn"), ((-500,), "lost"), ((-500, 500), "withdrawn")])
def test_a_prevented_dispute_is_lost_where_its_money_is_gone(
    scripted: Answering, net: tuple[int, ...], status: str
) -> None:
    own = {"id": "du_1", "payment_intent": "pi_1", "amount": 500, "currency": "eur", "status": "prevented"}
    moved = [{"amount": amount} for amount in net]
    answer = {"data": [{**own, "balance_transactions": moved}], "has_more": False}
    [dispute] = scripted((200, answer)).disputes_of("pi_1")  # type: ignore[misc]
    assert dispute.status == status


def test_events_are_hints_with_a_time_the_oldest_first(scripted: Answering) -> None:
    refund = {"id": "evt_2", "created": 60, "type": "refund.failed", "data": {"object": {"payment_intent": "pi_1"}}}
    other = {"id": "evt_1", "created": 0, "type": "customer.created", "data": {"object": {}}}
    answer = {"data": [refund, other], "has_more": True}
    assert scripted((200, answer)).events_after("evt_0") == EventPage(
        [
            ProviderEvent("evt_1", datetime(1970, 1, 1, tzinfo=UTC), None),
            ProviderEvent("evt_2", datetime(1970, 1, 1, 0, 1, tzinfo=UTC), Hint("pi_1")),
        ],
        is_last=False,
    )
    for odd in ({}, {"data": [{"id": "evt_1"}], "has_more": False}):
        assert isinstance(scripted((200, odd)).events_after("evt_0"), Unknown)


def test_only_an_event_that_is_missing_is_forgotten(scripted: Answering) -> None:
    missing = {"error": {"type": "invalid_request_error", "code": "resource_missing", "param": "ending_before"}}
    assert scripted((400, missing)).events_after("evt_0") == EventsForgotten()
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert isinstance(scripted((400, missing)).events_since(since), Unknown)
    no_such = scripted(refusal("resource_missing", param="starting_after"))
    assert no_such.events_since(since, "evt_1") == Unknown("no such event")
    assert isinstance(scripted((500, {})).events_after("evt_0"), Unknown)


def test_only_the_intents_metadata_name_its_reservation(scripted: Answering) -> None:
    reservation = "6f1c8a52-3d0e-5b7a-9c44-e2d1f0a98b37"
    intent = {"id": "pi_1", "metadata": {"reservation_id": reservation}}
    assert scripted((200, intent)).reservation_of("pi_1") == reservation
    for metadata in ({}, {"reservation_id": "x"}, None):
        assert scripted((200, {**intent, "metadata": metadata})).reservation_of("pi_1") is None
    assert isinstance(scripted((200, {**intent, "id": "pi_2", "metadata": {}})).reservation_of("pi_1"), Unknown)
    assert scripted(MISSING).reservation_of("pi_1") is None


def test_a_list_that_cannot_be_read_to_its_end_leaves_the_outcome_open(scripted: Answering) -> None:
    endless = {"data": [OTHERS[0]], "has_more": True}
    for unhelpful, reason in (((200, {}), "HTTP 200"), ((200, endless), "too many refunds")):
        assert scripted(unhelpful).find_refund(ORDER) == Unknown(reason)
    page = f"GET /v1/refunds?payment_intent=pi_1&limit={LISTED_PER_PAGE}"
    paths = [seen[0] for seen in Scripted.seen][-LIST_PAGES_MAX:]
    assert paths == [page, *[f"{page}&starting_after=re_9"] * (LIST_PAGES_MAX - 1)]


def test_only_events_that_the_shop_uses_are_asked_for() -> None:
    asked = parse_qs(urlsplit(provider_events.path(ending_before="evt_1")).query)
    assert asked.pop("types[]") == sorted(provider_events.OF_INTENTS | provider_events.OF_MONEY)
    assert asked == {"limit": ["100"], "ending_before": ["evt_1"]}


def test_a_provider_whose_address_ends_with_a_slash_is_the_same(scripted: Answering) -> None:
    url = scripted((200, intent("succeeded")))._url
    assert StripeGateway(f"{url}/", KNOWN_KEY).retrieve(ASKED) == Captured()
    assert Scripted.seen[0][0] == "GET /v1/payment_intents/pi_1"


def test_a_long_code_is_cut_to_what_an_event_holds(scripted: Answering) -> None:
    refunded = {**OURS, "status": "failed", "failure_reason": "x" * 500}
    assert scripted((200, refunded)).refund(ORDER) == RefundRefused("x" * 100, "re_1")
    listed = scripted((200, {"data": [refunded], "has_more": False})).refunds_of("pi_1", "reservation")
    assert [refund.code for refund in listed] == ["x" * 100]  # type: ignore[union-attr]
    declined = scripted((402, {"error": {"type": "card_error", "code": "x" * 500, "decline_code": "y" * 500}}))
    outcome = declined.confirm(ASKED, 1, "pm_card_visa")
    assert outcome == Declined("x" * 100, "y" * 100)


def test_requests_are_in_stripes_format(scripted: Answering) -> None:
    everything(scripted((500, {})))
    reservation = "metadata%5Breservation_id%5D=reservation"
    create = f"amount=1999&currency=eur&payment_method_types%5B%5D=card&{reservation}"
    sent = [(path, headers.get("Idempotency-Key"), body) for path, headers, body in Scripted.seen]
    assert sent == [
        ("POST /v1/payment_intents", "reservation:create:1", create),
        ("POST /v1/payment_intents/pi_1/confirm", "reservation:confirm:2", "payment_method=pm_card_visa"),
        ("GET /v1/payment_intents/pi_1", None, ""),
        ("POST /v1/payment_intents/pi_1/cancel", None, ""),
        (
            "POST /v1/refunds",
            "pi_1:refund:2",
            f"payment_intent=pi_1&reason=duplicate&amount=700&{reservation}&metadata%5Brefund%5D=2",
        ),
        (f"GET /v1/refunds?payment_intent=pi_1&limit={LISTED_PER_PAGE}", None, ""),
        (f"GET /v1/refunds?payment_intent=pi_1&limit={LISTED_PER_PAGE}", None, ""),
        (f"GET /v1/disputes?payment_intent=pi_1&limit={LISTED_PER_PAGE}", None, ""),
        (f"GET {provider_events.path()}&ending_before=evt_1", None, ""),
        (f"GET {provider_events.path()}&created%5Bgte%5D=1795424400&starting_after=evt_1", None, ""),
        ("GET /v1/payment_intents/pi_1", None, ""),
    ]
    for _, headers, body in Scripted.seen:
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert headers["Stripe-Version"] == API_VERSION
        assert headers.get("Content-Type") == ("application/x-www-form-urlencoded" if body else None)
