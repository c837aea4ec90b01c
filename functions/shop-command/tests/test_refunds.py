"""Refunds as an administrator sees them: the money goes back once, and the stock is for sale again."""

import hashlib
import json

import pytest
from msgspec.structs import replace

from shop_command.ports import ContentionError, StoreUnavailableError
from shop_command.testing import Shop, http_event
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import invoke, raising, slug
from shop_http.testing import Answer


@pytest.fixture
def purchased(stocked: Shop, reserved: str) -> str:
    assert stocked.purchase(reserved).status == 201
    return reserved


def types(shop: Shop, purchase_id: str) -> list[str]:
    return [event.type for event in shop.store.events(f"reservation-{purchase_id}")][3:]


def test_a_refund_returns_money_and_stock(stocked: Shop, purchased: str) -> None:
    answer = stocked.refund(purchased)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/purchases/{purchased}"
    assert answer.body == {
        "purchase_id": purchased,
        "refund_id": "re_1",
        "status": "refunded",
        "total": {"amount_minor": 1000, "currency": "EUR"},
        "lines": [{"sku": "MUG", "quantity": 2, "amount_minor": 1000}],
        "reason": "requested_by_customer",
        "stream_id": f"reservation-{purchased}",
        "stream_version": 5,
    }
    assert types(stocked, purchased) == ["shop.purchase.refund-requested.v2", "shop.purchase.refunded.v2"]
    assert stocked.totals() == Counters(10, 0, 0)
    assert f"reservation-{purchased}" not in stocked.store.due_states


def test_a_refund_that_nobody_disturbs_reads_its_stream_once(
    stocked: Shop, purchased: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []
    states = stocked.store.states

    def read(stream_ids: list[str]) -> object:
        reads.append(stream_ids)
        return states(stream_ids)

    monkeypatch.setattr(stocked.store, "states", read)
    stocked.refund(purchased)
    assert len(reads) == 1


def test_it_is_recorded_as_wanted_before_the_provider_is_asked(stocked: Shop, purchased: str) -> None:
    seen: list[list[str]] = []
    stocked.gateway.meanwhile["refund"] = [lambda: seen.append(types(stocked, purchased))]
    stocked.refund(purchased)
    assert seen == [["shop.purchase.refund-requested.v2"]]


def test_the_same_refund_gets_the_same_answer_for_ever(stocked: Shop, purchased: str) -> None:
    first = stocked.refund(purchased)
    before, calls = stocked.contents(), list(stocked.gateway.calls)
    stocked.clock.advance(365 * 24 * 3600)
    assert stocked.refund(purchased) == first
    assert stocked.contents() == before
    assert stocked.gateway.calls == calls


def test_another_refund_of_the_same_purchase_is_refused(stocked: Shop, purchased: str) -> None:
    stocked.refund(purchased)
    before = stocked.contents()
    answer = stocked.refund(purchased, key="another")
    assert (answer.status, slug(answer)) == (409, "already-refunded")
    assert stocked.contents() == before


def test_the_same_key_for_another_purchase_is_refused(stocked: Shop, purchased: str) -> None:
    stocked.refund(purchased)
    other = str(stocked.reserve(key="other").body["reservation_id"])
    stocked.purchase(other, key="other")
    assert slug(stocked.refund(other)) == "idempotency-key-reused"


@pytest.mark.parametrize("groups", [None, "[staff]"])
def test_only_an_administrator_refunds(stocked: Shop, purchased: str, groups: str | None) -> None:
    before = stocked.contents()
    answer = stocked.refund(purchased, groups=groups)
    assert (answer.status, slug(answer)) == (403, "forbidden")
    assert stocked.contents() == before


@pytest.mark.parametrize("purchase_id", ["0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f", "none"])
def test_what_was_never_purchased_is_not_there(stocked: Shop, purchase_id: str) -> None:
    answer = stocked.refund(purchase_id)
    assert (answer.status, slug(answer)) == (404, "not-found")


def test_what_is_not_paid_for_is_not_refunded(stocked: Shop, reserved: str) -> None:
    before = stocked.contents()
    answer = stocked.refund(reserved)
    assert (answer.status, slug(answer)) == (409, "not-purchased")
    assert stocked.contents() == before


def test_parts_are_given_back_until_nothing_is_left(stocked: Shop, purchased: str) -> None:
    one = stocked.refund(purchased, {"lines": [{"sku": "MUG", "quantity": 1}], "reason": "duplicate"}, key="one")
    assert (one.status, one.body["total"]["amount_minor"], one.body["reason"]) == (201, 500, "duplicate")
    assert stocked.totals() == Counters(9, 0, 1)
    some = stocked.refund(purchased, {"amount_minor": 200}, key="some")
    assert some.body["lines"] == [{"sku": "MUG", "quantity": 0, "amount_minor": 200}]
    too_much = stocked.refund(purchased, {"amount_minor": 301}, key="too-much")
    assert (too_much.status, slug(too_much)) == (409, "refund-too-large")
    left = {"amount_minor": 300, "lines": [{"sku": "MUG", "quantity": 1, "amount_minor": 300}]}
    assert too_much.body["left"] == left
    rest = stocked.refund(purchased, {"restock": False}, key="rest")
    assert rest.body["total"]["amount_minor"] == 300
    assert stocked.totals() == Counters(9, 0, 1)
    assert slug(stocked.refund(purchased, key="more")) == "already-refunded"
    assert stocked.refund(purchased, {"amount_minor": 200}, key="some") == some
    sent = stocked.gateway.records.all("refund")
    assert [(each["amount"], each["metadata"]["refund"], each["reason"]) for each in sent] == [
        (500, "1", "duplicate"),
        (200, "2", "requested_by_customer"),
        (300, "3", "requested_by_customer"),
    ]


@pytest.mark.parametrize("body", [{}, {"reason": "requested_by_customer"}, {"lines": None}])
def test_what_says_nothing_is_the_same_request_as_no_body(stocked: Shop, purchased: str, body: object) -> None:
    first = stocked.refund(purchased)
    assert stocked.refund(purchased, body) == first


def test_the_digest_of_a_request_without_a_body_is_that_of_earlier_releases(stocked: Shop, purchased: str) -> None:
    stocked.refund(purchased)
    (use,) = [use for use in stocked.store.key_uses.values() if use.version == 4]
    assert use.body_digest == hashlib.sha256(f'{{"purchase_id": "{purchased}"}}'.encode()).hexdigest()


def test_the_same_key_for_another_amount_is_refused(stocked: Shop, purchased: str) -> None:
    first = stocked.refund(purchased, {"amount_minor": 100})
    before = stocked.contents()
    for body in ({"amount_minor": 101}, {"amount_minor": 100, "reason": "fraudulent"}, None):
        answer = stocked.refund(purchased, body)
        assert (answer.status, slug(answer)) == (422, "idempotency-key-reused")
    assert stocked.contents() == before
    assert stocked.refund(purchased, {"amount_minor": 100}) == first


@pytest.mark.parametrize(
    "body",
    [
        {"amount_minor": 0},
        {"amount_minor": 1.5},
        {"amount_minor": 1, "lines": [{"sku": "MUG", "quantity": 1}]},
        {"amount_minor": 1, "restock": True},
        {"lines": []},
        {"lines": [{"sku": "MUG", "quantity": 0}]},
        {"lines": [{"sku": "MUG", "quantity": 1}, {"sku": "MUG", "quantity": 1}]},
        {"lines": [{"sku": "MUG", "quantity": 1, "amount_minor": 1}]},
        {"reason": "expired_uncaptured_charge"},
        {"everything": True},
        [],
    ],
)
def test_a_body_that_cannot_be_meant_changes_nothing(stocked: Shop, purchased: str, body: object) -> None:
    before = stocked.contents()
    answer = stocked.refund(purchased, body)
    assert (answer.status, slug(answer)) == (422, "invalid-request")
    assert stocked.contents() == before


def test_a_malformed_body_is_not_taken_for_none(stocked: Shop, purchased: str) -> None:
    route = "POST /purchases/{purchase_id}/refund"
    event = http_event(route, raw_body="{", groups="[admin]", purchase_id=purchased)
    assert slug(invoke(event)) == "malformed-json"


@pytest.mark.parametrize("repair", ["at once", "sweep"])
def test_a_refund_that_the_provider_refuses_for_good_ends_and_another_one_can_be_made(
    stocked: Shop, purchased: str, repair: str
) -> None:
    stocked.gateway.refund_elsewhere("pi_1", 400)
    if repair == "sweep":
        stocked.gateway.unreachable.add("refund")
        check_pending(stocked.refund(purchased), purchased)
        stocked.gateway.unreachable.clear()
        stocked.clock.advance(60)
        stocked.sweep()
    answer = stocked.refund(purchased)
    assert (answer.status, slug(answer), answer.body["code"]) == (409, "refund-refused", "invalid_request_error")
    assert stocked.refund(purchased) == answer
    assert types(stocked, purchased) == ["shop.purchase.refund-requested.v2", "shop.purchase.refund-failed.v1"]
    assert stocked.totals() == Counters(8, 0, 2)
    assert f"reservation-{purchased}" not in stocked.store.due_states
    less = stocked.refund(purchased, {"amount_minor": 600}, key="less")
    assert less.status == 201


def test_another_persons_refund_is_not_taken_for_ours(stocked: Shop, purchased: str) -> None:
    stocked.gateway.lost.add("refund")
    check_pending(stocked.refund(purchased, {"amount_minor": 300}), purchased)
    stocked.gateway.lost.clear()
    stocked.gateway.refund_elsewhere("pi_1", 300)
    stocked.gateway.forget_keys()
    stocked.clock.advance(24 * 3600)
    assert stocked.sweep().refunded == 1
    assert stocked.refund(purchased, {"amount_minor": 300}).body["refund_id"] == "re_1"
    assert [each["amount"] for each in stocked.gateway.records.all("refund")] == [300, 300]


def test_a_request_of_the_first_version_is_still_carried_out(stocked: Shop, purchased: str) -> None:
    """An earlier release asked for the refund, sent it, and was ended before it heard of it."""
    stocked.gateway.unreachable.add("refund")
    stocked.refund(purchased)
    stocked.gateway.unreachable.clear()
    stream = f"reservation-{purchased}"
    written = stocked.store.streams[stream][-1].replace(b"refund-requested.v2", b"refund-requested.v1")
    event = json.loads(written)
    event["data"] = {k: v for k, v in event["data"].items() if k not in ("refund", "lines")}
    stocked.store.streams[stream][-1] = json.dumps(event).encode()
    state = json.loads(stocked.store.stored[stream].state)
    for name in ("requested", "given_back", "attempt"):
        del state[name]
    stocked.store.stored[stream] = replace(stocked.store.stored[stream], state=json.dumps(state))
    old = b"payment_intent=pi_1&metadata[reservation_id]=" + purchased.encode()
    stocked.gateway._stripe().request("POST", "/v1/refunds", old, "pi_1:refund")
    stocked.clock.advance(60)
    assert stocked.sweep().refunded == 1
    assert stocked.gateway.refunds("pi_1") == ["re_1"]
    assert stocked.totals() == Counters(10, 0, 0)
    assert stocked.refund(purchased).body["refund_id"] == "re_1"


def check_pending(answer: Answer, purchased: str) -> None:
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "2"
    assert answer.body["status"] == "refunding"
    assert answer.body["stream_version"] == 4
    assert answer.body["purchase_id"] == purchased


@pytest.mark.parametrize("trouble", ["unreachable", "lost"])
@pytest.mark.parametrize("repair", ["repeat", "sweep"])
def test_a_refund_that_nobody_knows_the_end_of_is_ended_by_a_repeat_or_the_sweep(
    stocked: Shop, purchased: str, trouble: str, repair: str
) -> None:
    calls = ("refund", "list refunds")
    getattr(stocked.gateway, trouble).update(calls)
    check_pending(stocked.refund(purchased), purchased)
    check_pending(stocked.refund(purchased), purchased)
    assert stocked.totals() == Counters(8, 0, 2)
    getattr(stocked.gateway, trouble).clear()
    if repair == "sweep":
        stocked.clock.advance(60)
        assert stocked.sweep().refunded == 1
    answer = stocked.refund(purchased)
    assert (answer.status, answer.body["refund_id"]) == (201, "re_1")
    assert stocked.totals() == Counters(10, 0, 0)
    assert types(stocked, purchased) == ["shop.purchase.refund-requested.v2", "shop.purchase.refunded.v2"]


@pytest.mark.parametrize("error", [ContentionError(), StoreUnavailableError()])
def test_a_refund_that_cannot_be_recorded_is_pending_and_the_sweep_records_it(
    stocked: Shop, purchased: str, error: Exception
) -> None:
    stocked.store.before_commit += [lambda: None, raising(error)]
    check_pending(stocked.refund(purchased), purchased)
    stocked.clock.advance(60)
    assert stocked.sweep().refunded == 1
    assert stocked.refund(purchased).status == 201


def test_two_equal_refunds_at_once_return_the_money_once_and_get_the_same_answer(stocked: Shop, purchased: str) -> None:
    for delay in range(2):
        shop_answers: list[Answer] = []
        stocked.store.before_commit += [lambda: None] * delay
        stocked.store.before_commit.append(lambda answers=shop_answers: answers.append(stocked.refund(purchased)))  # type: ignore[misc]
        shop_answers.append(stocked.refund(purchased))
        stocked.store.before_commit.clear()
        assert shop_answers[0] == shop_answers[-1]
        assert shop_answers[0].status == 201
    assert stocked.totals() == Counters(10, 0, 0)


def test_of_two_different_refunds_at_once_one_is_refused(stocked: Shop, purchased: str) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit.append(lambda: answers.append(stocked.refund(purchased, key="quicker")))
    answers.append(stocked.refund(purchased))
    assert [answer.status for answer in answers] == [201, 409]
    assert stocked.gateway.calls.count("refund") == 1
