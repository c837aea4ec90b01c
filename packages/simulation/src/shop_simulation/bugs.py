"""Each invariant is broken by at least one deliberate bug. An invariant that nothing can break proves nothing.

Each is a mistake that somebody could make in one line, put in place of the right code while its workflow is explored.
"""

from typing import Final

from shop_command.adapters import payment
from shop_command.adapters.payment import StripeGateway
from shop_command.adapters.webhook import StripeWebhook
from shop_command.application import expiring, settling
from shop_command.application.journal import Journal
from shop_command.application.purchases import Purchases
from shop_command.application.refunds import Refunds
from shop_command.application.request import Key
from shop_command.application.reservations import Reservations
from shop_command.application.settling import Settlement
from shop_command.application.stock_search import StockSearch
from shop_command.application.sweeping import Sweep
from shop_command.domain import limits, refunding, reservation, stock
from shop_command.domain.reservation_states import Cancelled, Paying
from shop_command.ports import Captured, Declined, StockShortError, StoreUnavailableError, Unknown, VersionConflictError
from shop_dispatch.application import project
from shop_observability.logs import logger
from shop_shared.currencies import CurrencyRules
from shop_shared.events import PurchaseConfirmed
from shop_simulation import mistakes
from shop_simulation.planting import Bug, before, but, changed_answer, changed_arguments, instead, with_fields
from shop_simulation.read_model import InMemoryTransaction
from shop_simulation.store import SimulatedStore

BUGS: Final = (
    Bug(1, "sells what is not there", SimulatedStore, "_check", but(StockShortError), "place when it is sold out"),
    Bug(1, "keeps holding what was sold", stock, "changes", mistakes.without_stock_of(PurchaseConfirmed)),
    Bug(1, "takes away what a customer holds", stock, "changes", mistakes.taken_from_held, "adjustment"),
    Bug(1, "returns what is cancelled twice", stock, "changes", mistakes.twice_returned, "cancel"),
    Bug(
        1,
        "expires what was cancelled, and returns its stock again",
        reservation,
        "is_overdue",
        mistakes.overdue_too(Cancelled),
        "cancel",
        and_so=((reservation, "_held", mistakes.held_too(Cancelled)),),
        breaks_too=frozenset({2}),
    ),
    Bug(1, "says sold out after one look", StockSearch, "_read", mistakes.seen_once, "redistribution"),
    Bug(
        2,
        "expires what is being paid",
        reservation,
        "is_overdue",
        mistakes.overdue_too(Paying),
        "sweep of a payment",
        and_so=((reservation, "_held", mistakes.held_too(Paying)),),
    ),
    Bug(
        2,
        "settles after a minute what its customer is authenticating",
        Settlement,
        "_end",
        instead(mistakes.cancelled_at_once),
        "3-D Secure that nobody goes through",
        and_so=((reservation, "_due_at", mistakes.due_after_a_minute),),
    ),
    Bug(
        13,
        "cancels what is being paid",
        reservation,
        "_held",
        mistakes.held_too(Paying),
        "cancel, expiry and purchase at once",
    ),
    Bug(
        3,
        "charges another amount than the reservation's",
        StripeGateway,
        "create",
        changed_arguments(lambda self, name, attempt, amount: (self, name, attempt, mistakes.fifty_cents(amount))),
    ),
    Bug(
        3,
        "asks for 5 ISK as 0.05",
        CurrencyRules,
        "provider_amount",
        instead(lambda _rules, amount_minor: amount_minor),
        "purchase in whole units",
    ),
    Bug(
        4,
        "confirms all attempts under one key",
        StripeGateway,
        "confirm",
        changed_arguments(lambda self, intent, _, card: (self, intent, 1, card)),
        "a declined card, then another one",
    ),
    Bug(5, "takes an unknown outcome for a success", Purchases, "_settle", mistakes.unknown_is(Captured())),
    Bug(
        5,
        "takes an unknown outcome for a declined card",
        Purchases,
        "_settle",
        mistakes.unknown_is(Declined("card_declined")),
    ),
    Bug(
        5,
        "believes a webhook and does not ask the provider",
        Settlement,
        "check",
        mistakes.gateway_with(lambda _: {"retrieve": lambda _: Captured()}),
        "webhooks of an earlier attempt",
    ),
    Bug(
        5,
        "believes an answer about another intent",
        payment,
        "_is_asked",
        instead(lambda _intent, found: "status" in found),
        "a declined card, then another one",
    ),
    Bug(5, "does not verify who sent a webhook", StripeWebhook, "_verify", instead(lambda *_: None), "webhooks"),
    Bug(
        6,
        "does not ask which version a stream has",
        SimulatedStore,
        "_check",
        but(VersionConflictError),
        "list and receive",
    ),
    Bug(6, "writes the events without the state", SimulatedStore, "commit", mistakes.torn),
    Bug(7, "does not compare the bodies of one key", Key, "check", instead(lambda *_: None), "another body"),
    Bug(7, "does not look for its key", SimulatedStore, "key_use", instead(lambda *_: None)),
    Bug(
        7,
        "answers another key as if it had begun the payment",
        Purchases,
        "purchase",
        mistakes.pending_for_any_key,
        "purchase with error_after",
    ),
    Bug(8, "publishes before it commits", Journal, "append", with_fields(mistakes.publishing_first)),
    Bug(8, "answers before it knows that it is stored", Journal, "append", with_fields(mistakes.hoping), "place"),
    Bug(
        9,
        "starts every stream anew",
        InMemoryTransaction,
        "lock_heads",
        changed_answer(lambda heads: dict.fromkeys(heads, 0)),
        "delivery",
    ),
    Bug(9, "ignores versions", project, "contiguous_runs", instead(lambda _, events: list(events)), "delivery"),
    Bug(
        10,
        "does not ask whose reservation it is",
        expiring,
        "owned",
        instead(lambda journal, _request, _name, loaded: (loaded.state, journal.now())),
        "somebody else's reservation",
    ),
    Bug(
        10,
        "logs the key of the payment provider",
        StripeGateway,
        "_call",
        before(lambda self, *_: logger().info(self._api_key.values())),
    ),
    Bug(
        10,
        "logs the secret with which anybody can pay",
        Purchases,
        "_settle",
        before(mistakes.telling_the_secret),
        "3-D Secure",
    ),
    Bug(
        10,
        "keeps the secret with which anybody can pay in an event",
        Purchases,
        "_settle",
        changed_arguments(mistakes.secret_as_code),
        "3-D Secure",
    ),
    Bug(11, "does not keep in mind what is to be published", SimulatedStore, "commit", mistakes.never_due, "place"),
    Bug(11, "says of what it sweeps that it was published", Sweep, "_publish", instead(mistakes.only_marked), "place"),
    Bug(
        12,
        "counts each sale twice",
        project,
        "PROJECTIONS",
        mistakes.projections("stock", mistakes.twice_sold),
        "delivery",
    ),
    Bug(
        12,
        "forgets adjustments of stock",
        project,
        "PROJECTIONS",
        mistakes.projections("stock", mistakes.never_adjusted),
        "adjustment",
    ),
    Bug(
        13,
        "settles an attempt on its way without cancelling it",
        Settlement,
        "settle",
        mistakes.gateway_with(mistakes.only_looking),
        "purchase, then sweep",
    ),
    Bug(
        13,
        "waits for ever for an intent that does not exist",
        payment,
        "_missing",
        instead(lambda *_: Unknown("missing")),
        "an intent that does not exist",
    ),
    Bug(
        13,
        "pays back before it records that it will",
        Refunds,
        "refund",
        before(mistakes.paid_back_first),
        "refund",
        breaks_too=frozenset({15}),
    ),
    Bug(13, "forgets refunds that were recorded", Settlement, "settle", mistakes.never_refunding, "refund"),
    Bug(
        13,
        "keeps the charge of a reservation that has ended",
        Settlement,
        "_close",
        mistakes.gateway_with(mistakes.hoping_that_it_is_closed),
        "a charge after the end",
    ),
    Bug(
        13,
        "stops the sweep at the first item that fails",
        Sweep,
        "_expire",
        mistakes.stopped_by_failures,
        "an item that can't be read",
        and_so=((Sweep, "run", but(StoreUnavailableError)),),
    ),
    Bug(
        17,
        "looks whether a limit is reached before the transaction, and not in it",
        Reservations,
        "place",
        before(mistakes.limits_checked_first),
        "too many reservations",
        and_so=((limits, "check_opening", instead(lambda *_: None)),),
    ),
    Bug(
        17,
        "looks whether cards are left before the transaction, and not in it",
        Purchases,
        "purchase",
        before(mistakes.attempts_checked_first),
        "too many cards",
        and_so=((limits, "check_attempt", instead(lambda *_: None)),),
    ),
    Bug(17, "gives nothing back for what ends", limits, "change", mistakes.never_closing, "cancel"),
    Bug(17, "does not ask how much of one product is held", limits, "_units", instead(lambda _: {}), "too many units"),
    Bug(
        16,
        "takes another event of a known version for a duplicate",
        project,
        "_sort_out",
        changed_answer(lambda sorted_out: (sorted_out[0], [])),
        "delivery",
    ),
    Bug(
        16,
        "lets the last event of a version win",
        project,
        "_sort_out",
        changed_arguments(lambda transaction, heads, held, events: (transaction, heads, held, list(events)[::-1])),
        "delivery",
    ),
    Bug(
        15,
        "gives back more units than were bought",
        refunding,
        "_units",
        mistakes.any_number_of_units,
        "refund of more than is left",
        breaks_too=frozenset({1}),
    ),
    Bug(
        15,
        "sends a refund again and does not look for it first",
        settling,
        "order_again",
        instead(mistakes.sent_again_unseen),
        "refund of a part",
    ),
    Bug(
        15,
        "takes a refund that is pending for one that is done",
        settling,
        "returned",
        mistakes.pending_is_done,
        "refund that takes its time",
    ),
    Bug(
        15,
        "does not notice a refund at the provider's dashboard",
        Settlement,
        "_catch_up",
        instead(lambda *_: None),
        "refunds at the dashboard",
    ),
    Bug(
        15,
        "records a refund of the dashboard at each of its webhooks",
        settling,
        "news",
        mistakes.always_news,
        "refunds at the dashboard",
    ),
    Bug(
        15,
        "believes that a refund which was made stays so",
        settling,
        "news",
        mistakes.never_failing,
        "refund that fails later",
        breaks_too=frozenset({13}),
    ),
    Bug(14, "publishes nothing in the sweep", Sweep, "_publish", instead(lambda *_: None), "place"),
    Bug(14, "keeps a purchase due", reservation, "_due_at", mistakes.due_when_purchased),
    Bug(
        14,
        "does not mark what it has settled",
        SimulatedStore,
        "mark_settled",
        instead(lambda *_: None),
        "cancel after a declined card",
    ),
)
