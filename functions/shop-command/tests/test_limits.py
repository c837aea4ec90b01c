"""How much a customer may hold, and how many cards try: what is answered, what counts, and what gives it back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shop_command import bootstrap
from shop_command.domain.limits import Limits
from shop_command.ports import Commit
from shop_command.testing import Shop
from shop_command.testing.fakes import NOTHING
from shop_command.testing.shop import slug

ALLOWED = Limits(open_reservations_max=3, units_held_max=5, card_attempts_max=4)
DECLINED = "pm_card_visa_chargeDeclined"


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Shop:
    """MUG and CUP are in stock, 100 each."""
    shop = Shop(limits=ALLOWED)
    monkeypatch.setattr(bootstrap, "application", lambda: shop.application)
    for sku in ("MUG", "CUP"):
        shop.list_product(sku)
        shop.receive(sku, 100, key=f"receive-{sku}")
    return shop


def place(shop: Shop, number: int, quantity: int = 1, sku: str = "MUG", subject: str = "customer-1") -> str:
    answer = shop.reserve((sku, quantity), key=f"place-{number}", subject=subject)
    assert answer.status == 201, answer
    return str(answer.body["reservation_id"])


def expire(shop: Shop, _: str) -> None:
    shop.clock.advance(901)
    shop.sweep()


def cancel_late(shop: Shop, name: str) -> None:
    shop.clock.advance(901)
    shop.cancel(name)


def settle(shop: Shop, name: str) -> None:
    shop.purchase(name, "pm_card_error_after_charge")
    shop.clock.advance(61)
    shop.sweep()


ENDS: dict[str, Callable[[Shop, str], object]] = {
    "cancelled": lambda shop, name: shop.cancel(name),
    "purchased": lambda shop, name: shop.purchase(name),
    "expired in the sweep": expire,
    "met when it was over": cancel_late,
    "purchased in the sweep": settle,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_has_ended_counts_no_more(limited: Shop, end: Callable[[Shop, str], object]) -> None:
    first, second = place(limited, 1, 3), place(limited, 2, 2)
    assert limited.store.customers["customer-1"].held == {"MUG": 5}
    end(limited, first)
    if "customer-1" in limited.store.customers and second in limited.store.customers["customer-1"].open:
        assert limited.store.customers["customer-1"].held == {"MUG": 2}
    else:
        assert limited.store.customers["customer-1"] == NOTHING
    place(limited, 3, 3)


def test_a_payment_under_way_and_a_declined_one_still_count(limited: Shop) -> None:
    for number, card in ((1, DECLINED), (2, "pm_card_error_after_charge"), (3, DECLINED)):
        limited.purchase(place(limited, number, sku="CUP"), card, key=f"pay-{number}")
    answer = limited.reserve(("MUG", 1), key="one-too-many")
    assert (answer.status, slug(answer)) == (429, "too-many-reservations")


def test_too_many_open_reservations_are_refused_and_nothing_is_written(limited: Shop) -> None:
    names = [place(limited, number) for number in (1, 2, 3)]
    before = limited.contents()
    answer = limited.reserve(("CUP", 1), key="one-too-many")
    assert (answer.status, slug(answer)) == (429, "too-many-reservations")
    assert "Retry-After" not in answer.headers
    assert limited.contents() == before
    assert limited.reserve(("MUG", 1), key="place-1").status == 201, "a repeat is no other reservation"
    limited.cancel(names[0])
    assert limited.reserve(("CUP", 1), key="one-too-many").status == 201, "the key is not used up"
    place(limited, 9, subject="customer-2")


def test_too_many_units_of_one_product_are_refused_over_all_reservations(limited: Shop) -> None:
    place(limited, 1, 3)
    before = limited.contents()
    answer = limited.reserve(("CUP", 1), ("MUG", 3), key="too-much")
    assert (answer.status, slug(answer)) == (429, "too-many-units")
    assert {name: answer.body[name] for name in ("sku", "held", "units_max")} == {
        "sku": "MUG",
        "held": 3,
        "units_max": 5,
    }
    assert limited.contents() == before
    assert limited.reserve(("CUP", 5), ("MUG", 2), key="just-enough").status == 201
    answer = limited.reserve(("CUP", 6), key="too-much-at-once", subject="customer-2")
    assert (answer.status, answer.body["held"]) == (429, 0)


def test_too_many_cards_are_refused_over_all_reservations_until_the_hour_is_over(limited: Shop) -> None:
    limited.clock.time = datetime(2026, 11, 23, 9, 50, tzinfo=UTC)
    first, second = place(limited, 1), place(limited, 2, sku="CUP")
    for number in range(4):
        assert limited.purchase((first, second)[number % 2], DECLINED, key=f"try-{number}").status == 402
    before = limited.contents()
    answer = limited.purchase(first, key="one-too-many")
    assert (answer.status, slug(answer), answer.headers["Retry-After"]) == (429, "too-many-card-attempts", "601")
    assert limited.contents() == before
    assert limited.purchase(second, DECLINED, key="try-3").status == 402, "a repeat is no other attempt"
    other = place(limited, 3, subject="customer-2")
    assert limited.purchase(other, key="theirs", subject="customer-2").status == 201
    limited.clock.advance(601)
    assert limited.purchase(first, key="one-too-many").status == 201, "the key is not used up"


def test_the_limit_is_in_the_transaction_and_not_before_it(limited: Shop) -> None:
    """Another request takes the last place just before the commit."""
    place(limited, 1)
    place(limited, 2)
    limited.store.before_commit.append(lambda: place(limited, 3))
    answer = limited.reserve(("CUP", 1), key="at-once")
    assert (answer.status, slug(answer)) == (429, "too-many-reservations")


def test_the_same_request_twice_at_once_has_one_place_and_one_answer(limited: Shop) -> None:
    place(limited, 1)
    place(limited, 2)
    limited.store.before_commit.append(lambda: place(limited, 3))
    assert limited.reserve(("MUG", 1), key="place-3").status == 201
    assert len(limited.store.customers["customer-1"].open) == 3


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_reservation_from_before_the_limits_gives_nothing_back(
    limited: Shop, end: Callable[[Shop, str], object]
) -> None:
    """It never counted. So the count of what came later stays, and is not negative."""
    old = place(limited, 1, 2)
    limited.store.customers.clear()
    counted = place(limited, 2, 3)
    limited.clock.advance(1)
    later = limited.store.customers["customer-1"]
    end(limited, old)
    after = limited.store.customers["customer-1"]
    assert after == (later if counted in after.open else NOTHING)


def test_no_round_trip_is_added(limited: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request asks of the store what it asked before there were limits; a commit has one action more, or it is done
    beside the publication."""
    asked: list[str] = []
    for method in ("states", "events", "key_use", "state_and_key_use", "levels", "commit", "stop_counting"):
        right = getattr(limited.store, method)

        def counted(*args: object, name: str = method, right: Callable[..., object] = right) -> object:
            asked.append(name)
            return right(*args)

        monkeypatch.setattr(limited.store, method, counted)
    reservation = place(limited, 1)
    assert asked == ["states", "commit"]
    asked.clear()
    assert limited.purchase(reservation).status == 201
    asked = [name for name in asked if name not in {"states", "key_use"}]
    assert asked == ["state_and_key_use", "commit", "commit", "stop_counting"]


def test_a_product_counts_towards_no_limit(limited: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[Commit] = []
    monkeypatch.setattr(limited.store, "commit", commits.append)
    limited.receive(key="more")
    assert [commit.customer for commit in commits] == [None]


def test_an_attempt_counts_in_the_hour_of_the_clock(limited: Shop) -> None:
    reservation = place(limited, 1)
    for key in ("try-1", "try-2"):
        limited.purchase(reservation, DECLINED, key=key)
    limited.clock.advance(timedelta(minutes=14).total_seconds())
    limited.purchase(reservation, DECLINED, key="try-3")
    assert limited.store.attempts == {("customer-1", datetime(2026, 11, 23, 9, 0, tzinfo=UTC)): 3}
