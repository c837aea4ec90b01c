"""The ports in memory."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shop_command.domain.stock import Bucket
from shop_command.ports import (
    Captured,
    Created,
    Declined,
    KeyUse,
    KeyUsedError,
    Refused,
    StockShortError,
    StoredState,
    Transaction,
    Unconfirmed,
    Unknown,
    VersionConflictError,
)
from shop_shared import Envelope, decode, encode
from shop_shared.values import Money


@dataclass
class FakeClock:
    time: datetime = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class SequentialIds:
    count: int = 0

    def next(self) -> str:
        self.count += 1
        return f"01900000-0000-7000-8000-{self.count:012d}"


@dataclass
class Counters:
    available: int = 0
    held: int = 0
    sold: int = 0


@dataclass
class InMemoryEventStore:
    """A transaction is applied whole or not at all, under the conditions of the real one. Never contended."""

    stored: dict[str, StoredState] = field(default_factory=dict)
    streams: dict[str, list[bytes]] = field(default_factory=dict)
    key_uses: dict[str, KeyUse] = field(default_factory=dict)
    buckets: dict[Bucket, Counters] = field(default_factory=dict)
    due_events: set[tuple[str, int]] = field(default_factory=set)
    due_states: dict[str, datetime] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    before_commit: list[Callable[[], object]] = field(default_factory=list)
    """Each is run once, before a commit: what another command does just then, or an error that it raises."""

    def states(self, stream_ids: Collection[str]) -> Mapping[str, StoredState]:
        return {stream_id: self.stored[stream_id] for stream_id in stream_ids if stream_id in self.stored}

    def events(self, stream_id: str, first_version: int = 1) -> Sequence[Envelope]:
        return tuple(decode(event) for event in self.streams.get(stream_id, [])[first_version - 1 :])

    def key_use(self, key_id: str) -> KeyUse | None:
        return self.key_uses.get(key_id)

    def available(self, buckets: Collection[Bucket]) -> Mapping[Bucket, int]:
        return {bucket: self.buckets.get(bucket, Counters()).available for bucket in buckets}

    def commit(self, transaction: Transaction) -> None:
        if self.before_commit:
            self.before_commit.pop(0)()
        token = transaction.events[0].id
        if token in self.done:
            return
        self._check(transaction)
        self.done.add(token)
        self.streams.setdefault(transaction.stream_id, []).extend(encode(event) for event in transaction.events)
        version = transaction.expected_version + len(transaction.events)
        self.stored[transaction.stream_id] = StoredState(version, transaction.state)
        self.due_events |= {(event.subject, event.streamversion) for event in transaction.events}
        self.due_states.pop(transaction.stream_id, None)
        if transaction.due_at is not None:
            self.due_states[transaction.stream_id] = transaction.due_at
        for change in transaction.stock:
            self.buckets[change.bucket] = self._changed(change.bucket, change.available, change.held, change.sold)
        if transaction.key_use:
            self.key_uses[transaction.key_use.key_id] = transaction.key_use

    def mark_published(self, events: Sequence[Envelope]) -> None:
        self.due_events -= {(event.subject, event.streamversion) for event in events}

    def _check(self, transaction: Transaction) -> None:
        if transaction.key_use and transaction.key_use.key_id in self.key_uses:
            raise KeyUsedError
        stored = self.stored.get(transaction.stream_id)
        if transaction.expected_version != (stored.version if stored else 0):
            raise VersionConflictError
        short = []
        for change in transaction.stock:
            after = self._changed(change.bucket, change.available, change.held, change.sold)
            if min(after.available, after.held, after.sold) < 0:
                short.append(change.bucket)
        if short:
            raise StockShortError(tuple(short))

    def _changed(self, bucket: Bucket, available: int, held: int, sold: int) -> Counters:
        before = self.buckets.get(bucket, Counters())
        return Counters(before.available + available, before.held + held, before.sold + sold)


@dataclass
class FakePublisher:
    """Publishes all but what `fails` says; keeps what it published."""

    published: list[Envelope] = field(default_factory=list)
    fails: Callable[[Envelope], bool] = lambda _: False

    def publish(self, events: Sequence[Envelope]) -> Sequence[Envelope]:
        done = [event for event in events if not self.fails(event)]
        self.published += done
        return done


DECLINES = {
    "pm_card_visa_chargeDeclined": Declined("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Declined("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": Declined("card_declined", "lost_card"),
    "pm_card_chargeDeclinedExpiredCard": Declined("expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Declined("incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Declined("processing_error", "processing_error"),
}
CHARGED = {"pm_card_visa", "pm_card_mastercard"}
LOST_AFTER_CHARGE = {"pm_card_timeout_after_charge", "pm_card_error_after_charge"}
LOST_BEFORE_CHARGE = {"pm_card_error_before_charge"}


@dataclass
class FakeGateway:
    """The mock provider's test cards, and its memory of idempotency keys, without HTTP."""

    intents: dict[str, str] = field(default_factory=dict)
    """Reservation to intent."""
    amounts: dict[str, Money] = field(default_factory=dict)
    captured: set[str] = field(default_factory=set)
    outcomes: dict[tuple[str, int], tuple[str, Captured | Declined | Unknown]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)
    """Calls that never reach the provider: `create`, `confirm`, `retrieve`."""

    def create(self, reservation_id: str, amount: Money) -> Created | Refused | Unknown:
        self.calls.append("create")
        if "create" in self.unreachable:
            return Unknown("unreachable")
        intent = self.intents.setdefault(reservation_id, f"pi_{len(self.intents) + 1}")
        if self.amounts.setdefault(intent, amount) != amount:
            raise AssertionError("the same idempotency key with another amount")
        return Created(intent)

    def confirm(
        self, payment_intent_id: str, reservation_id: str, attempt: int, payment_method: str
    ) -> Captured | Declined | Unknown:
        self.calls.append("confirm")
        if "confirm" in self.unreachable:
            return Unknown("unreachable")
        key = reservation_id, attempt
        if key not in self.outcomes:
            self.outcomes[key] = payment_method, self._confirm(payment_intent_id, payment_method)
        method, outcome = self.outcomes[key]
        if method != payment_method:
            raise AssertionError("the same idempotency key with another payment method")
        return outcome

    def retrieve(self, payment_intent_id: str) -> Captured | Declined | Unconfirmed | Unknown:
        self.calls.append("retrieve")
        if "retrieve" in self.unreachable or payment_intent_id not in self.amounts:
            return Unknown("unreachable")
        return Captured() if payment_intent_id in self.captured else Unconfirmed()

    def _confirm(self, intent: str, method: str) -> Captured | Declined | Unknown:
        if intent in self.captured:
            return Captured()
        if method in CHARGED | LOST_AFTER_CHARGE:
            self.captured.add(intent)
        if method in LOST_AFTER_CHARGE | LOST_BEFORE_CHARGE:
            return Unknown("lost")
        if method in CHARGED:
            return Captured()
        return DECLINES.get(method, Declined("resource_missing"))
