"""The application reaches everything outside of itself through these ports. Everything with an effect, or that differs
from run to run, is behind one of these; a simulation that wraps them sees, and can break, everything that the function
does. (Randomness is a `random.Random`, which a seed makes repeatable.)

`EventStore.commit` raises these errors, none of which leaves anything behind:

KeyUsedError          the idempotency key was used before: answer from its use
VersionConflictError  the stream has moved on: load it again and decide again
StockShortError       a bucket has less than the transaction takes: read the buckets again
DomainError           one of `domain.limits`: the customer has reached it
ContentionError       others kept touching the same items: a later retry helps
and StoreUnavailableError, after which the transaction may or may not have happened: a repeat of the command finds out.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, TypeVar

from msgspec import Struct

from shop_command.domain.limits import Closing, CustomerChange
from shop_command.domain.stock import Bucket, BucketChange
from shop_shared.envelope import Envelope
from shop_shared.values import DisputeStatus, Money

DUE_SHARDS: Final = 8
"""What is due is spread over so many partitions: each takes 1,000 writes a second, and a command makes about four."""
PUBLISH_GRACE_SECONDS: Final = 10
"""An event is due only this long after its time: until then the request that made it publishes it."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Aside = TypeVar("Aside")


class StoredState(Struct, frozen=True):
    """This is the fold of a stream as JSON, at a version."""

    version: int
    state: str
    due_at: datetime | None = None
    """It is in the index with this moment."""
    unpublished: int | None = None
    """Events from this version on may not have been published, and are not due themselves. What these have ended may
    still count towards its customer's limits."""


class KeyUse(Struct, frozen=True):
    """An idempotency key was used, with this body, and led to this event."""

    key_id: str
    body_digest: str
    stream_id: str
    version: int


class Level(Struct, frozen=True):
    """So much can be reserved from a bucket, and so often the bucket has changed."""

    available: int
    version: int


class Commit(Struct, frozen=True):
    """Events follow `expected_version` without a gap; the first one's id identifies the transaction for ever.

    `due_at` is the moment at which the new state must be looked at again. Without `unpublished` each event is due by
    itself until it is published; with it, the state is due for all events from that version on.
    """

    stream_id: str
    expected_version: int
    events: tuple[Envelope, ...]
    state: str
    due_at: datetime | None = None
    unpublished: int | None = None
    stock: tuple[BucketChange, ...] = ()
    customer: CustomerChange | None = None
    key_use: KeyUse | None = None


class DueEvent(Struct, frozen=True):
    """It has not been published, as far as the store knows."""

    stream_id: str
    version: int
    due_at: datetime


class DueState(Struct, frozen=True):
    """Somebody has to look at what has become of this stream."""

    stream_id: str
    due_at: datetime


Due = DueEvent | DueState


class DuePage(Struct, frozen=True):
    items: Sequence[Due]
    is_last: bool


class Bookmark(Struct, frozen=True):
    """All that the provider has told up to an event was worked off."""

    event_id: str | None
    """It is None until there is an event that is old enough."""
    reached: datetime
    """It names the event's time, or where to begin while there is none."""
    complete_at: datetime
    """The last run that came to the end of the provider's list began at this time."""


class VersionConflictError(Exception):
    """Another command has extended the stream first."""


class KeyUsedError(Exception):
    """A command with the same idempotency key was first: most likely the same one, sent twice at once."""


@dataclass(eq=False)
class StockShortError(Exception):
    buckets: tuple[Bucket, ...]


class ContentionError(Exception):
    """The store has given up after its bounded number of tries. Nothing has changed."""


class StoreUnavailableError(Exception):
    """The store failed, or did not answer. Whether the call took effect is unknown."""


class EventStore(Protocol):
    """All reads but `due` are consistent: they see every transaction that was committed before."""

    def states(self, stream_ids: Collection[str]) -> Mapping[str, StoredState]:
        """Reads at most 100. Streams that do not exist are left out."""

    def events(self, stream_id: str, first_version: int = 1) -> Sequence[Envelope]: ...

    def key_use(self, key_id: str) -> KeyUse | None: ...

    def state_and_key_use(self, stream_id: str, key_id: str) -> tuple[StoredState | None, KeyUse | None]:
        """Reads each at some moment of the call, either one first. A command with the key that ends in between is not
        missed: it is seen by its key, or has moved the stream on, so that `commit` refuses what is decided now."""

    def levels(self, buckets: Collection[Bucket]) -> Mapping[Bucket, Level]:
        """Reads each bucket at some moment of the call, not all at the same one. Two calls with equal answers prove
        that all of them were so at once, between the two. A bucket that never received anything is at 0, version 0."""

    def commit(self, transaction: Commit) -> None:
        """A transaction that was committed before, its answer lost, succeeds again without a second effect."""

    def mark_published(self, events: Sequence[Envelope]) -> None:
        """Ends that they are due. Never raises: what stays due by mistake is published again, which readers expect."""

    def mark_settled(self, stream_id: str, version: int, due_at: datetime | None = None) -> None:
        """Ends that the state is due, unless it has a later version: all its events are published, and nothing has to
        be looked at before `due_at`. Never raises, as `mark_published`."""

    def stop_counting(self, closing: Closing) -> bool:
        """Does by itself what a commit with this change does, and no more at a repeat. Returns whether it is done now.
        Never raises: what is not done, or may not be, is to be repeated."""

    def bookmark(self) -> Bookmark | None: ...

    def set_bookmark(self, bookmark: Bookmark) -> None:
        """The last of two runs at once wins: whichever it is, what lies before its bookmark was worked off."""

    def due(self, shard: int, now: datetime, limit: int, after: Due | None = None) -> DuePage:
        """Reads what is due by `now` in one of DUE_SHARDS, oldest first, from behind `after` on. It may show what was
        done a moment ago, and not yet what has just become due: look at the item itself before acting on it."""

    def unpublished(self, due: Collection[DueEvent]) -> Sequence[Envelope]:
        """Reads these events, at most 100, in this order, as they were written: whoever publishes them changes no
        byte."""


class Publisher(Protocol):
    def publish(self, events: Sequence[Envelope]) -> Sequence[Envelope]:
        """Returns the events that were published, which may be none. Never raises: what is not published stays due."""


class Clock(Protocol):
    def now(self) -> datetime:
        """Returns the time in UTC, to the millisecond."""


class EventIds(Protocol):
    def next(self) -> str:
        """Makes a new UUIDv7."""


class Telemetry(Protocol):
    """It never raises, and has no part in what happens."""

    def header(self) -> str | None:
        """Returns the header of the current trace, as the next hop continues it."""

    def annotate(self, stream_id: str, event_type: str) -> None:
        """Names what is going to be committed."""

    def committed(self, events: Sequence[Envelope]) -> None:
        """Counts each event once, whether a request, a webhook or the sweep has led to it."""

    def following(self, event: Envelope) -> AbstractContextManager[None]:
        """The work inside has been asked for by nobody: it belongs to the trace of the event that led to it."""

    def for_all(self) -> AbstractContextManager[list[Envelope]]:
        """The work inside is done for many at once. It is recorded in the trace of each event that is put into the
        list."""


class Workers(Protocol):
    def beside(self, aside: Callable[[], Aside], do: Callable[[], Result]) -> tuple[Aside, Result]:
        """Does the one, which never raises, while it does the other, and ends when both have ended."""

    def map(self, do: Callable[[Item], Result], items: Sequence[Item]) -> Iterable[Result]:
        """Does it for several of the items at once, in any order, and ends when all are done."""


class Helpers(Protocol):
    def start(self, shard: int) -> bool:
        """Starts a sweep of one of DUE_SHARDS beside the current one, and returns whether it could. Never raises."""


class AskedIntent(Struct, frozen=True):
    """An answer of the provider counts only for the intent that was asked for, of this reservation and this amount."""

    id: str
    reservation_id: str
    amount: Money


class IntentCreated(Struct, frozen=True):
    payment_intent_id: str


class Refused(Struct, frozen=True):
    """The provider will never take this amount or currency."""

    code: str


class Captured(Struct, frozen=True):
    """The money is ours."""


class Declined(Struct, frozen=True):
    """This attempt moved no money and never will. The intent may be confirmed again, with another card."""

    code: str
    decline_code: str | None = None


class IntentCancelled(Struct, frozen=True):
    """The intent is dead: it moved no money and never will, whoever confirms it."""


class IntentMissing(Struct, frozen=True):
    """The provider has no such intent: it moves no money, whoever confirms it."""


@dataclass(frozen=True)  # and no Struct, which would show both secrets in its repr
class ActionRequired:
    """The customer has to go through 3-D Secure: by Stripe.js with the secret, or at the address if there is one.

    Both are for the customer alone: they are neither stored nor logged, and the provider gives them again.
    """

    client_secret: str = field(repr=False)
    url: str | None = field(repr=False)


class Unconfirmed(Struct, frozen=True):
    """The intent waits for a confirmation: the current attempt's was declined, or never reached the provider.

    `code` and `decline_code` are of the last one that was declined, which may be an earlier attempt's.
    """

    code: str | None = None
    decline_code: str | None = None


class Processing(Struct, frozen=True):
    """The provider works on it. Money will move or not, and nobody can stop it."""


class RefundOrder(Struct, frozen=True):
    """So much of a captured intent is to be given back. Without an amount it is all that is left.

    `refund` counts the refunds of the intent's purchase from 1, and is 0 where the charge belongs to no purchase. With
    the intent it makes the idempotency key, and the provider keeps it beside the refund.
    """

    payment_intent_id: str
    reservation_id: str
    refund: int
    currency: str
    amount_minor: int | None = None
    reason: str = "requested_by_customer"


class Returned(Struct, frozen=True):
    """The money is the customer's again, as much as the provider says."""

    refund_id: str
    amount: Money


class RefundRefused(Struct, frozen=True):
    """This order gave nothing back and never will: the provider does not take it, or has tried and failed."""

    code: str
    refund_id: str | None = None


class ListedRefund(Struct, frozen=True):
    """The provider has this refund of a captured intent, whoever asked for it.

    `refund` is the ordinal of the shop's own refund, or None for one that was made at the provider's dashboard.
    """

    refund_id: str
    refund: int | None
    amount: Money
    status: Literal["succeeded", "failed", "open"]
    reason: str | None = None
    code: str = ""
    """This is why it failed."""


class ListedDispute(Struct, frozen=True):
    """The customer's bank questions a captured intent."""

    dispute_id: str
    status: DisputeStatus
    amount: Money
    reason: str
    evidence_due_by: datetime | None


class Hint(Struct, frozen=True):
    """Something has happened to this intent, as the provider says. What it was has to be asked for."""

    payment_intent_id: str
    reservation_id: str | None = None
    """It is None for a refund or a dispute, which may have nothing of the shop: only the intent names the
    reservation."""


class ProviderEvent(Struct, frozen=True):
    id: str
    created: datetime
    hint: Hint | None
    """It is None for what is none of the shop's business."""


class EventPage(Struct, frozen=True):
    events: Sequence[ProviderEvent]
    """The oldest comes first."""
    is_last: bool


class EventsForgotten(Struct, frozen=True):
    """The provider does not know any more where to go on."""


class Unknown(Struct, frozen=True):
    """The call timed out, its connection was lost, the provider failed, or its answer is about something else than what
    was asked. `reason` is for the log."""

    reason: str


ConfirmOutcome = Captured | Declined | ActionRequired | IntentCancelled | IntentMissing | Processing | Unknown
RetrieveOutcome = Captured | IntentCancelled | IntentMissing | ActionRequired | Unconfirmed | Processing | Unknown
CancelOutcome = Captured | IntentCancelled | IntentMissing | Processing | Unknown
RefundOutcome = Returned | RefundRefused | Processing | Unknown


class PaymentGateway(Protocol):
    """A payment takes two steps, so that no outcome is ever lost: an intent, which moves no money, and its
    confirmation. A call's outcome is a value. `Unknown` is never a failure: money may have moved, and only the provider
    can say.

    Idempotency keys derive from reservation, attempt and intent: a repeat is the same call, never a second charge.
    So the other arguments have to be the same in every call for the same one.
    """

    def create(self, reservation_id: str, attempt: int, amount: Money) -> IntentCreated | Refused | Unknown:
        """The provider keeps, and tells in its webhooks, which reservation the intent is for."""

    def confirm(self, intent: AskedIntent, attempt: int, payment_method: str) -> ConfirmOutcome: ...

    def retrieve(self, intent: AskedIntent) -> RetrieveOutcome:
        """Reads what the provider's own record says. It works for ever, while it forgets idempotency keys after a
        day."""

    def cancel(self, intent: AskedIntent) -> CancelOutcome:
        """Ends the intent for good, or shows that it was charged: of a cancel and a confirmation at once, one takes
        effect."""

    def refund(self, order: RefundOrder) -> RefundOutcome:
        """Sends the order for the first time, or again while the provider remembers its key."""

    def find_refund(self, order: RefundOrder) -> RefundOutcome | None:
        """Reads what has become of the order from the provider's own list, which it never forgets. It returns None
        where the order is not in it."""

    def refunds_of(self, payment_intent_id: str, reservation_id: str) -> Sequence[ListedRefund] | Unknown:
        """Lists all refunds of the intent, the oldest first, also those that the shop did not ask for."""

    def disputes_of(self, payment_intent_id: str) -> Sequence[ListedDispute] | Unknown: ...

    def events_after(self, event_id: str) -> EventPage | EventsForgotten | Unknown:
        """Lists what has happened at the provider after this event, in its order of events."""

    def events_since(self, time: datetime, before: str | None = None) -> EventPage | Unknown:
        """Lists what has happened since then: the last events, or those that came last before this one."""

    def reservation_of(self, payment_intent_id: str) -> str | Unknown | None:
        """Reads which reservation the shop made the intent for; None for an intent of somebody else, or of nobody."""
