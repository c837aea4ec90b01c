"""What every event store does about a customer's limits: the one in memory, and DynamoDB's over moto and emulator."""

from datetime import timedelta

import pytest

from shop_command.domain.errors import TooManyCardAttemptsError, TooManyReservationsError, TooManyUnitsError
from shop_command.domain.limits import CardAttempt, Closing, CustomerCounts, Limits, Opening
from shop_command.domain.stock import Bucket, BucketChange
from shop_command.ports import EventStore, KeyUse, KeyUsedError, StockShortError, VersionConflictError
from shop_command.testing.fakes import NOTHING
from shop_command.testing.stores import NOW, STREAM, StoreUnderTest, transaction

WHO = "customer-1"
LIMITS = Limits(open_reservations_max=2, units_held_max=5)


def opening(name: str, customer_id: str = WHO, **units: int) -> Opening:
    return Opening(customer_id, name, units, LIMITS)


def closing(name: str, **units: int) -> Closing:
    return Closing(WHO, name, units)


def test_what_is_open_counts_until_it_is_closed(tested: StoreUnderTest) -> None:
    tested.store.commit(transaction(customer=opening("r1", MUG=2, CUP=1)))
    tested.store.commit(transaction(1, customer=opening("r2", MUG=3)))
    assert tested.counts(WHO) == CustomerCounts(frozenset({"r1", "r2"}), {"MUG": 5, "CUP": 1})
    tested.store.commit(transaction(2, customer=closing("r1", MUG=2, CUP=1)))
    assert tested.counts(WHO) == CustomerCounts(frozenset({"r2"}), {"MUG": 3})
    tested.store.commit(transaction(3, customer=closing("r2", MUG=3)))
    assert tested.counts(WHO) == NOTHING
    tested.store.commit(transaction(4, customer=opening("r3", MUG=5)))
    assert tested.counts(WHO) == CustomerCounts(frozenset({"r3"}), {"MUG": 5})


def test_units_are_counted_under_any_sku(tested: StoreUnderTest) -> None:
    """A full stop would be the way into an inner attribute, were it not for placeholders."""
    units = {"mug_blue.350-ml": 2, "1.5": 1}
    tested.store.commit(transaction(customer=Opening(WHO, "r1", units, LIMITS)))
    assert tested.counts(WHO) == CustomerCounts(frozenset({"r1"}), units)
    tested.store.commit(transaction(1, customer=Closing(WHO, "r1", units)))
    assert tested.counts(WHO) == NOTHING


def test_one_more_than_may_be_open_is_refused_and_leaves_nothing(tested: StoreUnderTest) -> None:
    tested.store.commit(transaction(customer=opening("r1", MUG=1)))
    tested.store.commit(transaction(1, customer=opening("r2", MUG=1)))
    taken = BucketChange(Bucket("MUG", 0), available=1)
    with pytest.raises(TooManyReservationsError) as refused:
        tested.store.commit(transaction(2, customer=opening("r3", CUP=1), stock=(taken,)))
    assert refused.value.open_max == 2
    assert len(tested.store.events(STREAM)) == 2
    assert tested.store.levels([taken.bucket])[taken.bucket].available == 0
    assert tested.counts(WHO) == CustomerCounts(frozenset({"r1", "r2"}), {"MUG": 2})
    tested.store.commit(transaction(2, customer=opening("r3", "customer-2", CUP=1)))


def test_more_units_than_may_be_held_are_refused_and_named(tested: StoreUnderTest) -> None:
    tested.store.commit(transaction(customer=opening("r1", MUG=3)))
    with pytest.raises(TooManyUnitsError) as refused:
        tested.store.commit(transaction(1, customer=opening("r2", CUP=5, MUG=3)))
    assert (refused.value.sku, refused.value.held, refused.value.units_max) == ("MUG", 3, 5)
    with pytest.raises(TooManyUnitsError) as refused:
        tested.store.commit(transaction(1, customer=opening("r2", "customer-2", CUP=6)))
    assert (refused.value.sku, refused.value.held) == ("CUP", 0)
    tested.store.commit(transaction(1, customer=opening("r2", CUP=5, MUG=2)))


def test_a_customers_attempts_count_in_their_window(store: EventStore) -> None:
    for number in range(3):
        store.commit(transaction(number, customer=CardAttempt(WHO, NOW + timedelta(minutes=number), 3)))
    with pytest.raises(TooManyCardAttemptsError) as refused:
        store.commit(transaction(3, customer=CardAttempt(WHO, NOW + timedelta(minutes=59, seconds=59.5), 3)))
    assert refused.value.retry_after_seconds == 1
    store.commit(transaction(3, customer=CardAttempt(WHO, NOW + timedelta(hours=1), 3)))
    store.commit(transaction(4, customer=CardAttempt("customer-2", NOW, 3)))


def test_what_never_counted_gives_nothing_back_and_fails_nothing(tested: StoreUnderTest) -> None:
    tested.store.commit(transaction(customer=closing("old", MUG=2)))
    assert tested.counts(WHO) == NOTHING
    tested.store.commit(transaction(1, customer=opening("r1", MUG=2)))
    old = transaction(2, customer=closing("old", MUG=2))
    tested.store.commit(old)
    assert tested.counts(WHO) == CustomerCounts(frozenset({"r1"}), {"MUG": 2})
    tested.forget_tokens()
    tested.store.commit(old)
    assert len(tested.store.events(STREAM)) == 3, "its repeat is known, as any other's"


def test_what_is_over_can_be_closed_by_itself_and_again_without_harm(tested: StoreUnderTest) -> None:
    tested.store.commit(transaction(customer=opening("r1", MUG=2, CUP=1)))
    tested.store.commit(transaction(1, customer=opening("r2", MUG=3)))
    for _ in range(2):
        assert tested.store.stop_counting(closing("r1", MUG=2, CUP=1))
        assert tested.counts(WHO) == CustomerCounts(frozenset({"r2"}), {"MUG": 3})
    tested.store.commit(transaction(2, customer=closing("r2", MUG=3)))
    assert tested.store.stop_counting(closing("r2", MUG=3))
    assert tested.counts(WHO) == NOTHING


def test_closing_what_never_counted_makes_no_counts(tested: StoreUnderTest) -> None:
    assert tested.store.stop_counting(closing("old", MUG=2))
    assert tested.counts(WHO) == NOTHING
    tested.store.commit(transaction(customer=opening("r1", MUG=5)))
    tested.forget_counts(WHO)
    assert tested.store.stop_counting(closing("r1", MUG=5))
    assert tested.counts(WHO) == NOTHING


def test_what_counts_may_be_deleted_at_any_time(tested: StoreUnderTest) -> None:
    tested.store.commit(transaction(customer=opening("r1", MUG=2)))
    tested.forget_counts(WHO)
    tested.store.commit(transaction(1, customer=opening("r2", MUG=3)))
    tested.store.commit(transaction(2, customer=closing("r1", MUG=2)))
    assert tested.counts(WHO) == CustomerCounts(frozenset({"r2"}), {"MUG": 3})


def test_a_repeat_counts_once(tested: StoreUnderTest) -> None:
    for number, change in enumerate((opening("r1", MUG=2), CardAttempt(WHO, NOW, 1), closing("r1", MUG=2))):
        commit = transaction(number, customer=change)
        tested.store.commit(commit)
        tested.forget_tokens()
        tested.store.commit(commit)
    assert tested.counts(WHO) == NOTHING
    assert len(tested.store.events(STREAM)) == 3


@pytest.mark.parametrize("change", [opening("r9", MUG=6), CardAttempt(WHO, NOW, 0), closing("r9", MUG=1)])
def test_a_key_and_then_a_version_hide_what_the_limits_say(
    store: EventStore, change: Opening | CardAttempt | Closing
) -> None:
    use = KeyUse("key", "body", STREAM, 1)
    store.commit(transaction(key_use=use))
    with pytest.raises(VersionConflictError):
        store.commit(transaction(customer=change))
    with pytest.raises(KeyUsedError):
        store.commit(transaction(customer=change, key_use=use))


def test_a_limit_hides_that_stock_is_short(store: EventStore) -> None:
    short = (BucketChange(Bucket("MUG", 0), available=-1, held=1),)
    with pytest.raises(TooManyUnitsError):
        store.commit(transaction(customer=opening("r1", MUG=6), stock=short))
    with pytest.raises(StockShortError) as refused:
        store.commit(transaction(customer=opening("r1", MUG=1), stock=short))
    assert refused.value.buckets == (Bucket("MUG", 0),)


def test_a_transaction_holds_the_largest_reservation_with_its_customer(tested: StoreUnderTest) -> None:
    buckets = [Bucket(f"MUG-{number % 20}", number) for number in range(90)]
    received = tuple(BucketChange(bucket, available=1) for bucket in buckets)
    tested.store.commit(transaction(stock=received))
    taken = tuple(BucketChange(bucket, available=-1, held=1) for bucket in buckets)
    largest = Opening(WHO, "r1", {f"MUG-{number}": 5 for number in range(20)}, LIMITS)
    tested.store.commit(transaction(1, stock=taken, customer=largest, key_use=KeyUse("key", "body", STREAM, 2)))
    assert len(tested.counts(WHO).held) == 20
