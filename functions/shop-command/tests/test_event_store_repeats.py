"""A second transaction beside or after a first one, in every event store: each combination has an outcome of its own.

The stream is at version 2 and the first transaction appends its third event. The second one is

new            a transaction of another stream
same           the first one, sent again because its answer was lost; with another version, one that drew the same id
different      another command of the same stream

and expects the version that its stream had when it was decided on (exact), an older one (stale), or one that the stream
has never had (future). When it comes the first one is

in flight      being worked on, and done as soon as the second one has been answered to wait
done           less than ten minutes ago: DynamoDB still knows its client token
token expired  done longer ago: only its conditions, and the event that it left, still tell

Neither moto nor the emulator works on two transactions at once, and moto knows no tokens. What DynamoDB would answer is
put into their mouth: see shop_command.testing.stores and .dynamodb. All else is their own.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from shop_command.domain.stock import Bucket, BucketChange
from shop_command.ports import Commit, ContentionError, EventStore, Level, VersionConflictError
from shop_command.testing.stores import STREAM, InDynamoDb, StoreUnderTest, transaction

OTHER_STREAM = "product-CUP"
AT_ONCE = 20
MUG = Bucket("MUG", 0)

COMMITTED, ONCE = "committed", "succeeds again, with no second effect"
Outcome = str | type[Exception]

COMMANDS, VERSIONS, FIRST_IS = ("new", "same", "different"), (2, 1, 4), ("in flight", "done", "token expired")
EXACT, STALE, FUTURE = VERSIONS
LOST, GIVEN_UP = VersionConflictError, ContentionError
OUTCOMES: dict[tuple[str, int], tuple[Outcome, Outcome, Outcome]] = {
    # command, version:       in flight  done       token expired
    ("new", EXACT): (COMMITTED, COMMITTED, COMMITTED),
    ("new", STALE): (LOST, LOST, LOST),
    ("new", FUTURE): (LOST, LOST, LOST),
    ("same", EXACT): (ONCE, ONCE, ONCE),
    # The id is another transaction's, and so is the token. Once that is forgotten, the versions tell them apart.
    ("same", STALE): (GIVEN_UP, GIVEN_UP, LOST),
    ("same", FUTURE): (GIVEN_UP, GIVEN_UP, LOST),
    # Decided on at version 2 while the first one was in flight, which won; at version 3 after it.
    ("different", EXACT): (LOST, COMMITTED, COMMITTED),
    ("different", STALE): (LOST, LOST, LOST),
    ("different", FUTURE): (LOST, LOST, LOST),
}


def second(first: Commit, command: str, version: int, first_is: str) -> Commit:
    stock = (BucketChange(MUG, available=1),)
    if command == "same":
        return first if version == EXACT else transaction(version, first_id=first.events[0].id, stock=stock)
    if command == "different":
        decided_later = version == EXACT and first_is != "in flight"
        return transaction(version + decided_later, stock=stock)
    return transaction(version, stream_id=OTHER_STREAM, stock=stock)


def test_the_table_has_every_combination() -> None:
    assert set(OUTCOMES) == set(product(COMMANDS, VERSIONS))


@pytest.mark.parametrize("first_is", FIRST_IS)
@pytest.mark.parametrize("version", VERSIONS, ids=["exact", "stale", "future"])
@pytest.mark.parametrize("command", COMMANDS)
def test_each_combination_has_its_outcome(tested: StoreUnderTest, command: str, version: int, first_is: str) -> None:
    store = tested.store
    for stream_id in (STREAM, OTHER_STREAM):
        store.commit(transaction(events=2, stream_id=stream_id))
    first = transaction(EXACT, stock=(BucketChange(Bucket("MUG", 1), available=1),))
    if first_is == "in flight":
        tested.hold_back(first)
    else:
        store.commit(first)
    if first_is == "token expired":
        tested.forget_tokens()

    sent = second(first, command, version, first_is)
    outcome = OUTCOMES[command, version][FIRST_IS.index(first_is)]
    if isinstance(outcome, str):
        store.commit(sent)
    else:
        with pytest.raises(outcome):
            store.commit(sent)

    appended = {STREAM: [first], OTHER_STREAM: list[Commit]()}
    if outcome == COMMITTED:
        appended[sent.stream_id].append(sent)
    for stream_id, transactions in appended.items():
        assert list(store.events(stream_id, 3)) == [event for each in transactions for event in each.events]
        assert store.states([stream_id])[stream_id].version == 2 + len(transactions)
    assert store.levels([MUG, Bucket("MUG", 1)]) == {
        MUG: Level(1, 1) if outcome == COMMITTED else Level(0, 0),
        Bucket("MUG", 1): Level(1, 1),
    }


@pytest.mark.parametrize("command", ["same", "different"])
def test_when_the_one_in_flight_fails_the_second_one_is_committed(tested: StoreUnderTest, command: str) -> None:
    tested.store.commit(transaction(events=2))
    first = transaction(EXACT)
    tested.hold_back(first, ends_well=False)
    sent = second(first, command, EXACT, "in flight")
    tested.store.commit(sent)
    assert tested.store.events(STREAM, 3) == sent.events


def test_a_repeat_is_known_by_its_event_long_after_the_stream_has_moved_on(tested: StoreUnderTest) -> None:
    store, first = tested.store, transaction(events=2, stock=(BucketChange(MUG, available=1),))
    store.commit(first)
    later = transaction(2, stock=(BucketChange(MUG, available=-1, held=1),))
    store.commit(later)
    tested.forget_tokens()
    store.commit(first)
    assert store.events(STREAM) == first.events + later.events
    assert store.levels([MUG]) == {MUG: Level(0, 2)}


# moto's transactions are not atomic when they race, and the fake is used by one thread: these are for the emulator.


def at_once(store: EventStore, transactions: list[Commit]) -> list[Exception | None]:
    def commit(each: Commit) -> Exception | None:
        try:
            store.commit(each)
        except (VersionConflictError, ContentionError) as error:
            return error
        return None

    with ThreadPoolExecutor(len(transactions)) as threads:
        return list(threads.map(commit, transactions))


def test_of_twenty_different_commands_at_once_one_wins(emulated: InDynamoDb) -> None:
    taken = (BucketChange(MUG, available=-1, held=1),)
    emulated.store.commit(transaction(stock=(BucketChange(MUG, available=AT_ONCE),)))
    outcomes = at_once(emulated.store, [transaction(1, stock=taken) for _ in range(AT_ONCE)])
    assert [type(each) for each in outcomes if each] == [VersionConflictError] * (AT_ONCE - 1)
    assert len(emulated.store.events(STREAM)) == 2
    assert emulated.store.levels([MUG]) == {MUG: Level(AT_ONCE - 1, 2)}


@pytest.mark.parametrize("token_is", ["known", "forgotten"])
def test_the_same_command_twenty_times_at_once_has_one_effect_and_always_succeeds(
    emulated: InDynamoDb, token_is: str
) -> None:
    sent = transaction(stock=(BucketChange(MUG, available=1),))
    if token_is == "forgotten":
        emulated.store.commit(sent)
        emulated.forget_tokens()
    assert at_once(emulated.store, [sent] * AT_ONCE) == [None] * AT_ONCE
    assert emulated.store.events(STREAM) == sent.events
    assert emulated.store.levels([MUG]) == {MUG: Level(1, 1)}
