"""The commands as their callers see them, over fakes: answers, effects, repeats and races."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest

from shop_command.application.reservations import ROUNDS_MAX
from shop_command.domain.stock import ALLOCATIONS_MAX, Bucket
from shop_command.ports import ContentionError, Created, Refused, StoreUnavailableError, Unknown
from shop_command.testing import Shop, http_event, invoke
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import Answer
from shop_shared.values import Money


def slug(answer: Answer) -> str:
    return str(answer.body["type"].rpartition("/")[2])


def raising(error: Exception) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


# Products


def test_a_product_is_listed(shop: Shop) -> None:
    answer = shop.list_product(buckets=3)
    assert answer.status == 201
    assert answer.headers["Location"] == "/products/MUG"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body == {
        "sku": "MUG",
        "name": "Product MUG",
        "description": "",
        "price": {"amount_minor": 500, "currency": "EUR"},
        "stock_buckets": 3,
        "stream_id": "product-MUG",
        "stream_version": 1,
    }


def test_a_product_has_one_bucket_unless_told_otherwise(shop: Shop) -> None:
    body = {"sku": "CUP", "name": "Cup", "description": "", "price": {"amount_minor": 1, "currency": "EUR"}}
    assert shop.post("/products", body, groups="[admin staff]").body["stock_buckets"] == 1


def test_stock_is_received_into_all_buckets(shop: Shop) -> None:
    shop.list_product(buckets=3)
    answer = shop.receive(quantity=10)
    assert answer.status == 201
    assert answer.headers["Location"] == "/products/MUG"
    assert answer.body == {"sku": "MUG", "quantity": 10, "stream_id": "product-MUG", "stream_version": 2}
    assert sorted(counters.available for counters in shop.store.buckets.values()) == [3, 3, 4]


@pytest.mark.parametrize("command", ["list_product", "receive"])
def test_a_repeated_product_command_gets_the_same_answer_and_no_second_effect(shop: Shop, command: str) -> None:
    shop.list_product()
    first = getattr(shop, command)()
    shop.receive(key="another")
    before = shop.contents()
    assert getattr(shop, command)() == first
    assert shop.contents() == before


def test_the_same_key_with_another_product_or_quantity_is_refused(shop: Shop) -> None:
    shop.list_product()
    shop.receive()
    before = shop.contents()
    assert slug(shop.receive(quantity=11)) == "idempotency-key-reused"
    body = {"sku": "CUP", "name": "Cup", "description": "", "price": {"amount_minor": 1, "currency": "EUR"}}
    assert slug(shop.post("/products", body, groups="[admin]", key="list-MUG")) == "idempotency-key-reused"
    assert shop.contents() == before


def test_two_equal_product_commands_at_once_have_one_effect_and_the_same_answer(shop: Shop) -> None:
    shop.list_product()
    answers: list[Answer] = []
    shop.store.before_commit.append(lambda: answers.append(shop.receive()))
    answers.append(shop.receive())
    assert answers[0] == answers[1]
    assert shop.totals() == Counters(10, 0, 0)


def test_a_product_command_that_another_one_overtook_decides_again(shop: Shop) -> None:
    shop.list_product()
    shop.store.before_commit.append(lambda: shop.receive(key="first"))
    assert shop.receive(key="second").body["stream_version"] == 3
    assert shop.totals() == Counters(20, 0, 0)


def test_a_key_is_the_callers_own_and_the_routes_own(stocked: Shop) -> None:
    for subject in ("customer-1", "customer-2"):
        assert stocked.reserve(key="receive", subject=subject).status == 201
    reservation = stocked.reserve(key="same").body["reservation_id"]
    assert stocked.purchase(reservation, key="same").status == 201
    assert stocked.receive(key="list-MUG").status == 201
    other = {"quantity": 1}
    answer = stocked.post("/products/{sku}/stock", other, groups="[admin]", subject="b", key="receive", sku="MUG")
    assert answer.status == 201


# Reservations


def test_a_reservation_is_placed_at_the_stores_prices_and_its_stock_is_held(stocked: Shop) -> None:
    stocked.list_product("CUP", price_minor=250)
    stocked.receive("CUP", 4, key="cups")
    answer = stocked.reserve(("MUG", 2), ("CUP", 3))
    reservation_id = answer.body["reservation_id"]
    assert answer.status == 201
    assert answer.headers["Location"] == f"/reservations/{reservation_id}"
    assert answer.body == {
        "reservation_id": reservation_id,
        "status": "active",
        "lines": [
            {"sku": "MUG", "quantity": 2, "unit_price_minor": 500},
            {"sku": "CUP", "quantity": 3, "unit_price_minor": 250},
        ],
        "total": {"amount_minor": 1750, "currency": "EUR"},
        "expires_at": "2026-11-23T09:15:00Z",
        "stream_id": f"reservation-{reservation_id}",
        "stream_version": 1,
    }
    assert stocked.totals("MUG") == Counters(8, 2, 0)
    assert stocked.totals("CUP") == Counters(1, 3, 0)
    assert stocked.store.due_states[f"reservation-{reservation_id}"].isoformat() == "2026-11-23T09:15:00+00:00"


def test_all_lines_are_held_or_none(stocked: Shop) -> None:
    stocked.list_product("CUP")
    answer = stocked.reserve(("MUG", 2), ("CUP", 1))
    assert slug(answer) == "out-of-stock"
    assert answer.body["lines"] == [{"sku": "CUP", "requested": 1, "available": 0}]
    assert stocked.totals("MUG") == Counters(10, 0, 0)


@pytest.mark.parametrize("quantity", range(1, 11))
def test_stock_is_found_in_whatever_buckets_it_is(stocked: Shop, quantity: int) -> None:
    assert stocked.reserve(("MUG", quantity)).status == 201
    assert stocked.totals() == Counters(10 - quantity, quantity, 0)


def test_the_last_unit_is_found_and_after_it_the_product_is_sold_out(stocked: Shop) -> None:
    for n in range(10):
        assert stocked.reserve(("MUG", 1), key=f"reserve-{n}").status == 201
    answer = stocked.reserve(("MUG", 1), key="too late")
    assert slug(answer) == "idempotency-key-malformed"
    assert slug(stocked.reserve(("MUG", 1), key="too-late")) == "out-of-stock"
    assert stocked.totals() == Counters(0, 10, 0)


def test_twenty_lines_fit(shop: Shop) -> None:
    lines = [(f"SKU-{n}", 4) for n in range(20)]
    for sku, _ in lines:
        shop.list_product(sku, buckets=4)
        shop.receive(sku, 4, key=sku)
    assert shop.reserve(*lines).status == 201


def test_stock_in_more_buckets_than_a_transaction_holds_is_not_called_sold_out(shop: Shop) -> None:
    for sku in ("A", "B"):
        shop.list_product(sku, buckets=64)
        shop.receive(sku, 64, key=sku)
    answer = shop.reserve(("A", 46), ("B", 45))
    assert (answer.status, slug(answer)) == (409, "stock-scattered")
    assert shop.reserve(("A", 45), ("B", 45), key="fits").status == 201
    assert ALLOCATIONS_MAX == 90


def test_a_repeated_reservation_gets_the_same_answer_for_ever(stocked: Shop) -> None:
    first = stocked.reserve(("MUG", 10))
    assert stocked.purchase(first.body["reservation_id"]).status == 201
    stocked.clock.advance(30 * 24 * 3600)
    before = stocked.contents()
    assert stocked.reserve(("MUG", 10)) == first
    assert stocked.contents() == before


def test_a_repeated_reservation_gets_the_same_answer_when_the_product_has_gone(stocked: Shop) -> None:
    first = stocked.reserve()
    del stocked.store.stored["product-MUG"]
    assert slug(stocked.reserve(key="new")) == "unknown-product"
    assert stocked.reserve() == first


def test_the_same_key_with_other_lines_is_refused(stocked: Shop) -> None:
    stocked.reserve(("MUG", 2))
    before = stocked.contents()
    answer = stocked.reserve(("MUG", 3))
    assert (answer.status, slug(answer)) == (422, "idempotency-key-reused")
    assert stocked.contents() == before


def test_two_equal_reservations_at_once_are_one(stocked: Shop) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit.append(lambda: answers.append(stocked.reserve(("MUG", 10))))
    answers.append(stocked.reserve(("MUG", 10)))
    assert answers[0] == answers[1]
    assert answers[0].status == 201
    assert stocked.totals() == Counters(0, 10, 0)


def test_a_bucket_that_others_emptied_meanwhile_is_replaced_by_another(stocked: Shop) -> None:
    levels = stocked.store.buckets.copy()

    def emptied() -> None:
        stocked.store.buckets = {bucket: Counters() for bucket in levels}

    def refilled() -> None:
        stocked.store.buckets = levels

    stocked.store.before_commit.append(emptied)
    available = stocked.store.available

    def just_refilled(buckets: Collection[Bucket]) -> Mapping[Bucket, int]:
        refilled()
        return available(buckets)

    stocked.store.available = just_refilled  # type: ignore[method-assign]
    assert stocked.reserve(("MUG", 1)).status == 201
    assert stocked.totals() == Counters(9, 1, 0)


def test_a_lost_race_for_every_bucket_is_given_up_and_never_called_sold_out(stocked: Shop) -> None:
    def moved() -> None:
        """The stock is always in another bucket than the one that was just chosen."""
        stocked.store.buckets = {bucket: Counters() for bucket in stocked.store.buckets}
        stocked.store.before_commit.append(moved)

    def refilled(buckets: Collection[Bucket]) -> Mapping[Bucket, int]:
        return dict.fromkeys(buckets, 10)

    stocked.store.before_commit.append(moved)
    stocked.store.available = refilled  # type: ignore[method-assign]
    answer = stocked.reserve(("MUG", 1))
    assert (answer.status, slug(answer)) == (503, "try-again")
    assert answer.headers["Retry-After"] == "2"
    assert ROUNDS_MAX == 5


# Purchases


@pytest.fixture
def reserved(stocked: Shop) -> str:
    return str(stocked.reserve(("MUG", 2)).body["reservation_id"])


def test_a_purchase_ends_the_reservation(stocked: Shop, reserved: str) -> None:
    answer = stocked.purchase(reserved)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/purchases/{reserved}"
    assert answer.body == {
        "purchase_id": reserved,
        "reservation_id": reserved,
        "status": "purchased",
        "total": {"amount_minor": 1000, "currency": "EUR"},
        "payment_intent_id": "pi_1",
        "stream_id": f"reservation-{reserved}",
        "stream_version": 3,
    }
    assert stocked.totals() == Counters(8, 0, 2)
    assert stocked.gateway.amounts == {"pi_1": stocked.store.events(f"reservation-{reserved}")[0].data.total}  # type: ignore[attr-defined]
    assert f"reservation-{reserved}" not in stocked.store.due_states


def test_the_payment_is_recorded_before_it_is_confirmed(stocked: Shop, reserved: str) -> None:
    stocked.gateway.unreachable.add("confirm")
    assert stocked.purchase(reserved).status == 202
    requested = stocked.store.events(f"reservation-{reserved}")[-1]
    assert requested.type == "shop.payment.requested.v1"
    assert stocked.store.due_states[f"reservation-{reserved}"] > stocked.clock.now()


def test_a_declined_card_leaves_the_reservation_to_another_card(stocked: Shop, reserved: str) -> None:
    answer = stocked.purchase(reserved, "pm_card_visa_chargeDeclinedInsufficientFunds", key="first")
    assert (answer.status, slug(answer)) == (402, "card-declined")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["decline_code"] == "insufficient_funds"
    assert answer.body["code"] == "card_declined"
    assert answer.body["stream_id"] == f"reservation-{reserved}"
    assert answer.body["stream_version"] == 3
    assert stocked.totals() == Counters(8, 2, 0)
    second = stocked.purchase(reserved, key="second")
    assert second.status == 201
    assert second.body["payment_intent_id"] == answer.body["payment_intent_id"]
    assert second.body["stream_version"] == 5


def test_a_payment_method_that_does_not_exist_is_a_decline_and_not_a_reservation_that_is_stuck(
    stocked: Shop, reserved: str
) -> None:
    answer = stocked.purchase(reserved, "pm_none", key="first")
    assert (answer.status, answer.body["decline_code"]) == (402, "resource_missing")
    assert stocked.purchase(reserved, key="second").status == 201


@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_visa_chargeDeclined"])
def test_a_repeated_purchase_gets_the_same_answer_for_ever(stocked: Shop, reserved: str, card: str) -> None:
    first = stocked.purchase(reserved, card, key="first")
    stocked.purchase(reserved, "pm_card_mastercard", key="second")
    stocked.clock.advance(30 * 24 * 3600)
    before, calls = stocked.contents(), list(stocked.gateway.calls)
    assert stocked.purchase(reserved, card, key="first") == first
    assert stocked.contents() == before
    assert stocked.gateway.calls == calls


def test_the_same_key_with_another_card_or_reservation_is_refused(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved)
    other = stocked.reserve(key="another").body["reservation_id"]
    before, calls = stocked.contents(), list(stocked.gateway.calls)
    for reservation, card in ((reserved, "pm_card_mastercard"), (other, "pm_card_visa")):
        answer = stocked.purchase(reservation, card)
        assert (answer.status, slug(answer)) == (422, "idempotency-key-reused")
    assert stocked.contents() == before
    assert stocked.gateway.calls == calls


def test_a_purchased_reservation_is_not_purchased_again(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved)
    before = stocked.contents()
    answer = stocked.purchase(reserved, key="again")
    assert (answer.status, slug(answer)) == (409, "already-purchased")
    assert stocked.contents() == before


def test_an_expired_reservation_is_not_purchased(stocked: Shop, reserved: str) -> None:
    stocked.clock.advance(900)
    before = stocked.contents()
    answer = stocked.purchase(reserved)
    assert (answer.status, slug(answer)) == (409, "reservation-expired")
    assert stocked.contents() == before
    assert stocked.gateway.calls == []


def test_a_reservation_that_expires_while_the_intent_is_made_is_not_purchased(stocked: Shop, reserved: str) -> None:
    create = stocked.gateway.create

    def slow(reservation_id: str, amount: Money) -> Created | Refused | Unknown:
        stocked.clock.advance(900)
        return create(reservation_id, amount)

    stocked.gateway.create = slow  # type: ignore[method-assign]
    before = stocked.contents()
    assert slug(stocked.purchase(reserved)) == "reservation-expired"
    assert stocked.contents() == before
    assert "confirm" not in stocked.gateway.calls


def test_a_provider_that_cannot_be_reached_before_money_moves_changes_nothing(stocked: Shop, reserved: str) -> None:
    stocked.gateway.unreachable.add("create")
    before = stocked.contents()
    answer = stocked.purchase(reserved)
    assert (answer.status, slug(answer)) == (503, "payment-unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert stocked.contents() == before
    stocked.gateway.unreachable.clear()
    assert stocked.purchase(reserved).status == 201


def test_too_many_cards(stocked: Shop, reserved: str) -> None:
    for n in range(10):
        assert stocked.purchase(reserved, "pm_card_visa_chargeDeclined", key=f"card-{n}").status == 402
    before = stocked.contents()
    assert slug(stocked.purchase(reserved, key="card-11")) == "too-many-attempts"
    assert stocked.contents() == before


def check_pending(answer: Answer, reserved: str) -> None:
    assert answer.status == 202
    assert answer.headers["Location"] == f"/reservations/{reserved}"
    assert answer.headers["Retry-After"] == "2"
    assert answer.body == {
        "reservation_id": reserved,
        "status": "paying",
        "total": {"amount_minor": 1000, "currency": "EUR"},
        "payment_intent_id": "pi_1",
        "stream_id": f"reservation-{reserved}",
        "stream_version": 2,
    }


def test_an_unknown_outcome_is_settled_by_a_repeat(stocked: Shop, reserved: str) -> None:
    check_pending(stocked.purchase(reserved, "pm_card_error_after_charge"), reserved)
    assert stocked.totals() == Counters(8, 2, 0)
    stocked.clock.advance(3_600)
    assert stocked.purchase(reserved, "pm_card_error_after_charge").status == 201
    assert stocked.totals() == Counters(8, 0, 2)
    assert len(stocked.gateway.captured) == 1


@pytest.mark.parametrize(("card", "status"), [("pm_card_visa", 201), ("pm_card_visa_chargeDeclined", 402)])
def test_a_confirmation_that_never_arrived_is_repeated(stocked: Shop, reserved: str, card: str, status: int) -> None:
    stocked.gateway.unreachable.add("confirm")
    check_pending(stocked.purchase(reserved, card), reserved)
    stocked.gateway.unreachable.clear()
    answer = stocked.purchase(reserved, card)
    assert answer.status == status
    assert answer.body["stream_version"] == 3


def test_what_stays_unknown_stays_pending(stocked: Shop, reserved: str) -> None:
    check_pending(stocked.purchase(reserved, "pm_card_error_before_charge"), reserved)
    check_pending(stocked.purchase(reserved, "pm_card_error_before_charge"), reserved)
    stocked.gateway.unreachable.add("retrieve")
    check_pending(stocked.purchase(reserved, "pm_card_error_before_charge"), reserved)


def test_while_one_request_pays_another_has_to_wait(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge", key="first")
    calls = list(stocked.gateway.calls)
    check_pending(stocked.purchase(reserved, key="second"), reserved)
    assert stocked.gateway.calls == calls


def test_of_two_purchases_at_once_one_pays(stocked: Shop, reserved: str) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit.append(lambda: answers.append(stocked.purchase(reserved, key="first")))
    answers.append(stocked.purchase(reserved, "pm_card_mastercard", key="second"))
    assert [answer.status for answer in answers] == [201, 409]
    assert stocked.gateway.calls.count("confirm") == 1


def test_two_equal_purchases_at_once_pay_once_and_get_the_same_answer(stocked: Shop, reserved: str) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit.append(lambda: answers.append(stocked.purchase(reserved)))
    answers.append(stocked.purchase(reserved))
    assert answers[0] == answers[1]
    assert answers[0].status == 201


@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_visa_chargeDeclined"])
def test_a_repeat_that_records_the_outcome_first_gives_both_the_same_answer(
    stocked: Shop, reserved: str, card: str
) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit += [lambda: None, lambda: answers.append(stocked.purchase(reserved, card))]
    answers.append(stocked.purchase(reserved, card))
    assert answers[0] == answers[1]
    assert len(stocked.store.events(f"reservation-{reserved}")) == 3


@pytest.mark.parametrize("error", [ContentionError(), StoreUnavailableError()])
def test_an_outcome_that_cannot_be_recorded_is_pending_and_a_repeat_records_it(
    stocked: Shop, reserved: str, error: Exception
) -> None:
    stocked.store.before_commit += [lambda: None, raising(error)]
    check_pending(stocked.purchase(reserved), reserved)
    assert stocked.purchase(reserved).status == 201


@pytest.mark.parametrize("error", [ContentionError(), StoreUnavailableError()])
def test_a_store_that_gives_up_asks_for_a_repeat(stocked: Shop, reserved: str, error: Exception) -> None:
    commands: list[Callable[[], Answer]] = [
        lambda: stocked.reserve(key="new"),
        stocked.receive,
        lambda: stocked.purchase(reserved),
    ]
    for command in commands:
        stocked.store.before_commit.append(raising(error))
        stocked.store.key_uses.clear()
        before = stocked.contents().partition("before_commit")[0]
        answer = command()
        assert (answer.status, slug(answer)) == (503, "try-again")
        assert answer.headers["Retry-After"] == "2"
        assert stocked.contents().partition("before_commit")[0] == before
        assert command().status == 201


def test_a_refused_amount(stocked: Shop, reserved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stocked.gateway, "create", lambda *_: Refused("amount_too_small"))
    before = stocked.contents()
    answer = stocked.purchase(reserved)
    assert (answer.status, slug(answer), answer.body["code"]) == (422, "payment-refused", "amount_too_small")
    assert stocked.contents() == before


# Events


def test_every_event_is_published_and_no_longer_due(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved)
    assert [event.type for event in stocked.publisher.published] == [
        "shop.product.listed.v1",
        "shop.product.stock-received.v1",
        "shop.reservation.placed.v1",
        "shop.payment.requested.v1",
        "shop.purchase.confirmed.v1",
    ]
    assert not stocked.store.due_events


def test_an_event_that_is_not_published_stays_due_and_fails_nothing(stocked: Shop, reserved: str) -> None:
    stocked.publisher.fails = lambda event: event.type == "shop.payment.requested.v1"
    assert stocked.purchase(reserved).status == 201
    assert stocked.store.due_events == {(f"reservation-{reserved}", 2)}


def test_events_say_what_caused_them_and_what_they_belong_to(stocked: Shop) -> None:
    headers = {"x-correlation-id": "shopping-trip-1", "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    body: dict[str, Any] = {"lines": [{"sku": "MUG", "quantity": 1}]}
    reservation = invoke(http_event("POST /reservations", body, headers=headers)).body["reservation_id"]
    body = {"reservation_id": reservation, "payment_method": "pm_card_visa"}
    assert invoke(http_event("POST /purchase", body, headers=headers)).status == 201
    placed, requested, confirmed = stocked.store.events(f"reservation-{reservation}")
    assert (placed.causationid, requested.causationid) == ("request-1", "request-1")
    assert confirmed.causationid == requested.id
    assert {event.correlationid for event in (placed, requested, confirmed)} == {"shopping-trip-1"}
    for event in (placed, requested, confirmed):
        assert event.awstraceheader == "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"
        assert event.partitionkey == event.subject == f"reservation-{reservation}"
        assert event.dataschema == f"https://shop.example/schemas/{event.type}/1.0"
    assert [event.streamversion for event in (placed, requested, confirmed)] == [1, 2, 3]
