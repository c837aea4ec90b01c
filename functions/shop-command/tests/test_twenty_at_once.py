"""The same request, sent twenty times at the same instant: one effect, and nobody hears of another one's.

Threads call the use cases, not the handlers: a Lambda environment answers one request at a time, so twenty at once are
in twenty of them. The store is the emulator's, whose transactions are atomic when they race; moto's are not.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any, Final

import pytest
from msgspec.structs import replace

from shop_command import bootstrap
from shop_command.adapters.secrets import Secret
from shop_command.adapters.system import SystemClock, Uuid7
from shop_command.adapters.telemetry import Observability
from shop_command.application.purchases import CardDeclinedError, Pending
from shop_command.application.request import Request
from shop_command.application.stock_search import WantedLine
from shop_command.bootstrap import Application
from shop_command.domain.errors import TooManyReservationsError
from shop_command.domain.limits import Limits
from shop_command.domain.product import ListProduct
from shop_command.domain.refunding import RequestRefund
from shop_command.domain.stock import Bucket
from shop_command.ports import ContentionError
from shop_command.testing import FakeGateway, FakeHelpers, FakePublisher, OneByOne
from shop_command.testing.dynamodb import CONFLICT, TRANSACT, Response, cancelled
from shop_command.testing.stores import InDynamoDb
from shop_shared.envelope import Envelope
from shop_shared.values import Price

AT_ONCE: Final = 20
BUCKETS: Final = 4
CONFLICTS_BEFORE_EACH: Final = 2
PRICE: Final = Price(amount_minor=500, currency="EUR")


@dataclass
class Trading:
    """It has a product MUG in four buckets, and a reservation and a purchase of it."""

    under_test: InDynamoDb
    limits: Limits = field(default_factory=lambda: Limits(open_reservations_max=100))
    gateway: FakeGateway = field(default_factory=FakeGateway)
    application: Application = field(init=False)
    reservation_id: str = field(init=False)
    purchase_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.application = bootstrap.assemble(
            store=self.under_test.store,
            publisher=FakePublisher(),
            gateway=self.gateway,
            clock=SystemClock(),
            ids=Uuid7(),
            randomness=random.Random(3),  # noqa: S311
            webhook_secret=Secret(lambda: ("",)),
            telemetry=Observability(),
            limits=self.limits,
            workers=OneByOne(),
            helpers=FakeHelpers(),
        )
        self.application.products.list_product(request("list"), ListProduct("MUG", "Mug", "", PRICE, BUCKETS))
        self.application.products.receive_stock(request("stock"), "MUG", 100)
        self.reservation_id, self.purchase_id = (self._reserved(key) for key in ("reservation", "purchase"))
        self.application.purchases.purchase(request("purchase"), self.purchase_id, "pm_card_visa")

    def _reserved(self, key: str) -> str:
        return reserve(self, request(key), 2).subject.removeprefix("reservation-")

    def events(self) -> list[Envelope]:
        ids = {self.reservation_id, self.purchase_id, request().reservation_id}
        streams = ("product-MUG", "product-CUP", *(f"reservation-{each}" for each in ids))
        return [event for stream_id in streams for event in self.under_test.store.events(stream_id)]

    def stock(self) -> tuple[int, int, int]:
        levels = [self.under_test.counters(Bucket("MUG", number)) for number in range(BUCKETS)]
        return sum(c.available for c in levels), sum(c.held for c in levels), sum(c.sold for c in levels)


def request(key: str = "the-key", request_id: str = "request") -> Request:
    return Request("caller", key, request_id, correlation_id=request_id)


def reserve(trading: "Trading", request: Request, quantity: int) -> Envelope:
    content = {"lines": [{"sku": "MUG", "quantity": quantity}]}
    return trading.application.reservations.place(replace(request, content=content), (WantedLine("MUG", quantity),))


Send = Callable[[Trading, Request], Envelope | Pending]


def purchase_with_a_declined_card(trading: "Trading", request: Request) -> Envelope | Pending:
    try:
        return trading.application.purchases.purchase(request, trading.reservation_id, "pm_card_visa_chargeDeclined")
    except CardDeclinedError as declined:
        return declined.event


COMMANDS: Final[dict[str, tuple[Send, list[str], tuple[int, int, int]]]] = {
    # What is sent, the types of the events that it leads to, and what of MUG is available, held and sold afterwards.
    "list": (
        lambda t, r: t.application.products.list_product(r, ListProduct("CUP", "Cup", "", PRICE, 1)),
        ["shop.product.listed.v1"],
        (96, 2, 2),
    ),
    "receive": (
        lambda t, r: t.application.products.receive_stock(r, "MUG", 7),
        ["shop.product.stock-received.v1"],
        (103, 2, 2),
    ),
    "reprice": (
        lambda t, r: t.application.products.reprice(r, "MUG", Price(amount_minor=700, currency="EUR")),
        ["shop.product.repriced.v1"],
        (96, 2, 2),
    ),
    "redistribute": (
        lambda t, r: t.application.products.redistribute_stock(r, "MUG", 2),
        ["shop.product.stock-redistributed.v1"],
        (96, 2, 2),
    ),
    "retire": (lambda t, r: t.application.products.retire(r, "MUG"), ["shop.product.retired.v1"], (96, 2, 2)),
    "reserve": (
        lambda t, r: reserve(t, r, 3),
        ["shop.reservation.placed.v1"],
        (93, 5, 2),
    ),
    "reserve the last ones": (
        lambda t, r: reserve(t, r, 96),
        ["shop.reservation.placed.v1"],
        (0, 98, 2),
    ),
    "purchase": (
        lambda t, r: t.application.purchases.purchase(r, t.reservation_id, "pm_card_visa"),
        ["shop.payment.requested.v1", "shop.purchase.confirmed.v1"],
        (96, 0, 4),
    ),
    "declined": (
        purchase_with_a_declined_card,
        ["shop.payment.requested.v1", "shop.payment.declined.v1"],
        (96, 2, 2),
    ),
    "refund": (
        lambda t, r: t.application.refunds.refund(r, RequestRefund(t.purchase_id)),
        ["shop.purchase.refund-requested.v2", "shop.purchase.refunded.v2"],
        (98, 2, 0),
    ),
}


@pytest.fixture
def trading(emulated: InDynamoDb) -> Trading:
    return Trading(emulated)


@pytest.fixture
def conflicts(emulated: InDynamoDb) -> None:
    """Raises conflicts as DynamoDB does where twenty touch the same items: the emulator takes one transaction after the
    other."""
    tries: Counter[str] = Counter()

    def conflict(params: dict[str, Any], **_: Any) -> Response | None:
        token = json.loads(params["body"])["ClientRequestToken"]
        tries[token] += 1
        return cancelled(CONFLICT) if tries[token] <= CONFLICTS_BEFORE_EACH else None

    events: Any = emulated.store.client.meta.events
    events.register(f"before-call.{TRANSACT}", conflict)


def at_once(send: Callable[[Request], Envelope | Pending]) -> Sequence[Envelope | Pending]:
    """Each is another HTTP request, with an id of its own."""
    begin = Barrier(AT_ONCE)

    def sent(number: int) -> Envelope | Pending:
        begin.wait()
        return send(request(request_id=f"request-{number}"))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(sent, range(AT_ONCE)))


def check_one_effect(trading: Trading, name: str) -> None:
    send, types, stock = COMMANDS[name]
    before = trading.events()
    answers = at_once(lambda request: send(trading, request))
    new = [event for event in trading.events() if event not in before]
    assert [event.type for event in new] == types
    assert trading.stock() == stock
    # Who comes while the money is on its way is told so, and not yet what became of it.
    assert {answer.type for answer in answers if isinstance(answer, Envelope)} <= {types[-1]}
    assert all(answer == new[-1] for answer in answers if isinstance(answer, Envelope))
    assert new[-1] in answers
    pending = [answer for answer in answers if isinstance(answer, Pending)]
    assert not pending or (name in ("purchase", "declined") and pending[0].reservation_id == trading.reservation_id)
    assert send(trading, request()) == new[-1]
    assert len(trading.gateway.with_status("succeeded")) == (2 if name == "purchase" else 1)


@pytest.mark.parametrize("name", COMMANDS)
def test_twenty_equal_requests_at_once_have_one_effect_and_one_answer(trading: Trading, name: str) -> None:
    check_one_effect(trading, name)


@pytest.mark.usefixtures("conflicts")
@pytest.mark.parametrize("name", ["list", "receive", "reprice", "redistribute", "reserve", "purchase"])
def test_so_they_have_where_every_transaction_is_in_conflict_twice(trading: Trading, name: str) -> None:
    check_one_effect(trading, name)


def test_twenty_different_requests_at_once_have_twenty_effects(trading: Trading) -> None:
    """Each takes two of the hundred, from whichever buckets are left: none gets what another one has."""
    begin = Barrier(AT_ONCE)

    def reserved(number: int) -> str:
        begin.wait()
        for _ in range(10):
            try:
                return reserve(trading, request(f"key-{number}"), 2).subject
            except ContentionError:
                continue
        raise AssertionError("never its turn")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        streams = set(threads.map(reserved, range(AT_ONCE)))
    assert len(streams) == AT_ONCE
    assert trading.stock() == (96 - 2 * AT_ONCE, 2 + 2 * AT_ONCE, 2)


def test_twenty_at_once_do_not_pass_a_limit_together(emulated: InDynamoDb) -> None:
    """One is open before, and seven may be."""
    trading, begin = Trading(emulated, limits=Limits(open_reservations_max=7)), Barrier(AT_ONCE)

    def is_reserved(number: int) -> bool:
        begin.wait()
        for _ in range(10):
            try:
                reserve(trading, request(f"key-{number}"), 2)
            except ContentionError:
                continue
            except TooManyReservationsError:
                return False
            return True
        raise AssertionError("never its turn")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = Counter(threads.map(is_reserved, range(AT_ONCE)))
    assert answers == {True: 6, False: AT_ONCE - 6}
    assert trading.stock() == (96 - 2 * 6, 2 + 2 * 6, 2)
    assert len(emulated.counts("caller").open) == 7
