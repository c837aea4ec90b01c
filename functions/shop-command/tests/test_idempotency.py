"""The same request again: at once, after its answer was lost, from elsewhere, and for ever. For every command."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from shop_command.ports import Commit, StoreUnavailableError
from shop_command.testing import Shop, http_event
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import invoke, slug
from shop_http.testing import Answer

YEAR_SECONDS: Final = 365 * 24 * 60 * 60


@dataclass(frozen=True)
class Command:
    """The shop has a product MUG, and a reservation and a purchase of it."""

    route: str
    body: Any = None
    groups: str | None = "[admin]"
    commits: int = 1

    def send(self, shop: Shop, *, key: str = "the-key", subject: str = "customer-1") -> Answer:
        places = {"sku": "MUG", "purchase_id": made(shop, "purchase")}
        named: Any = {name: value for name, value in places.items() if f"{{{name}}}" in self.route}
        body = self.body(shop) if callable(self.body) else self.body
        details: dict[str, Any] = {"key": key, "subject": subject, "groups": self.groups}
        if body is None:
            details["raw_body"] = ""
        return invoke(http_event(self.route, body, **details, **named))


def made(shop: Shop, name: str) -> str:
    """The id of what was there before, which every repeat of its request names again."""
    return str(shop.reserve(("MUG", 2), key=name).body["reservation_id"])


def paid_with(card: str) -> Callable[[Shop], Any]:
    return lambda shop: {"reservation_id": made(shop, "reservation"), "payment_method": card}


PRICE: Final = {"amount_minor": 700, "currency": "EUR"}
CUP: Final = {"sku": "CUP", "name": "Cup", "description": "", "price": PRICE, "stock_buckets": 3}
COMMANDS: Final = {
    "list": Command("POST /products", CUP),
    "receive": Command("POST /products/{sku}/stock", {"quantity": 7}),
    "reprice": Command("POST /products/{sku}/price", {"price": PRICE}),
    "redistribute": Command("POST /products/{sku}/buckets", {"stock_buckets": 9}),
    "adjust": Command("POST /products/{sku}/stock-adjustment", {"quantity_change": -4, "reason": "Counted"}),
    "describe": Command("POST /products/{sku}/details", {"name": "Cup", "description": ""}),
    "retire": Command("DELETE /products/{sku}"),
    "reserve": Command("POST /reservations", {"lines": [{"sku": "MUG", "quantity": 3}]}, groups=None),
    "purchase": Command("POST /purchase", paid_with("pm_card_visa"), groups=None, commits=2),
    "declined": Command("POST /purchase", paid_with("pm_card_visa_chargeDeclined"), groups=None, commits=2),
    "refund": Command("POST /purchases/{purchase_id}/refund", commits=2),
}
STATUS: Final = {"retire": 200, "declined": 402}
EACH: Final = pytest.mark.parametrize("name", COMMANDS)


@pytest.fixture
def trading(stocked: Shop) -> Shop:
    made(stocked, "reservation")
    assert stocked.purchase(made(stocked, "purchase"), key="before").status == 201
    return stocked


@pytest.mark.parametrize(("name", "commit"), [(n, c + 1) for n, each in COMMANDS.items() for c in range(each.commits)])
def test_when_the_first_answer_is_lost_the_repeat_has_it_and_no_second_effect(
    trading: Shop, name: str, commit: int
) -> None:
    """The store commits, and does not answer."""
    command = COMMANDS[name]
    store_commit, commits = trading.store.commit, 0

    def answer_is_lost(transaction: Commit) -> None:
        nonlocal commits
        store_commit(transaction)
        commits += 1
        if commits == commit:
            raise StoreUnavailableError

    trading.store.commit = answer_is_lost  # type: ignore[method-assign]
    first = command.send(trading)
    # The answer never denies what may have moved money already.
    assert first.status == (503 if commit == 1 else 202)
    second = command.send(trading)
    assert second.status == STATUS.get(name, 201)
    assert commits == command.commits
    after = trading.contents()
    assert command.send(trading) == second
    assert trading.contents() == after


@EACH
def test_the_answer_is_the_same_a_year_and_many_changes_later(trading: Shop, name: str) -> None:
    command = COMMANDS[name]
    first = command.send(trading)
    assert first.status == STATUS.get(name, 201)
    for changes in (trading.reprice, trading.redistribute, trading.receive, trading.retire):
        changes(key=f"later-{changes.__name__}")
    trading.clock.advance(YEAR_SECONDS)
    trading.sweep()
    trading.refund(made(trading, "purchase"), key="later")
    trading.gateway.forget_keys()
    after = trading.contents()
    assert command.send(trading) == first
    assert trading.contents() == after


def test_one_key_on_every_route_is_as_many_commands(trading: Shop) -> None:
    names = [*(name for name in COMMANDS if name not in ("declined", "retire")), "retire"]
    answers = {name: COMMANDS[name].send(trading) for name in names}
    assert {name: answer.status for name, answer in answers.items()} == {n: STATUS.get(n, 201) for n in answers}
    positions = {(answer.body["stream_id"], answer.body["stream_version"]) for answer in answers.values()}
    assert len(positions) == len(answers)
    for name, answer in answers.items():
        assert COMMANDS[name].send(trading) == answer


@pytest.mark.parametrize("name", ["receive", "reprice", "redistribute", "reserve"])
def test_another_callers_same_key_is_another_command(trading: Shop, name: str) -> None:
    command = COMMANDS[name]
    first, other = command.send(trading), command.send(trading, subject="somebody-else")
    assert (first.status, other.status) == (201, 201)
    positions = [(answer.body["stream_id"], answer.body["stream_version"]) for answer in (first, other)]
    assert positions[0] != positions[1]
    assert command.send(trading) == first
    assert command.send(trading, subject="somebody-else") == other


@pytest.mark.parametrize(
    ("name", "refusal"), [("list", 409), ("retire", 409), ("purchase", 404), ("declined", 404), ("refund", 409)]
)
def test_another_callers_same_key_shows_nobody_the_first_ones_answer(trading: Shop, name: str, refusal: int) -> None:
    """What can be done only once, or by its owner alone, is refused: it is not the other caller's repeat."""
    command = COMMANDS[name]
    first = command.send(trading)
    before = trading.contents()
    answer = command.send(trading, subject="somebody-else")
    assert (answer.status, answer.headers["Content-Type"]) == (refusal, "application/problem+json")
    assert trading.contents() == before
    assert command.send(trading) == first


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("list", Command("POST /products", {**CUP, "stock_buckets": 4})),
        ("receive", Command("POST /products/{sku}/stock", {"quantity": 8})),
        ("reprice", Command("POST /products/{sku}/price", {"price": {**PRICE, "currency": "USD"}})),
        ("redistribute", Command("POST /products/{sku}/buckets", {"stock_buckets": 8})),
        ("adjust", Command("POST /products/{sku}/stock-adjustment", {"quantity_change": -4, "reason": "Broken"})),
        ("describe", Command("POST /products/{sku}/details", {"name": "Cup", "description": "", "category": "cups"})),
        ("reserve", Command("POST /reservations", {"lines": [{"sku": "MUG", "quantity": 4}]}, groups=None)),
        ("purchase", COMMANDS["declined"]),
        ("declined", COMMANDS["purchase"]),
    ],
)
def test_the_same_key_with_another_body_is_refused_and_changes_nothing(
    trading: Shop, name: str, other: Command
) -> None:
    first = COMMANDS[name].send(trading)
    before = trading.contents()
    answer = other.send(trading)
    assert (answer.status, slug(answer)) == (422, "idempotency-key-reused")
    assert trading.contents() == before
    assert COMMANDS[name].send(trading) == first


@pytest.mark.parametrize("name", ["adjust", "describe", "reprice", "redistribute", "retire"])
def test_the_same_key_for_another_product_is_refused(trading: Shop, name: str) -> None:
    trading.list_product("CUP")
    first = COMMANDS[name].send(trading)
    before = trading.contents()
    answer = getattr(trading, name)("CUP", key="the-key")
    assert (answer.status, slug(answer)) == (422, "idempotency-key-reused")
    assert trading.contents() == before
    assert COMMANDS[name].send(trading) == first


def test_each_command_takes_from_stock_once_however_often_it_is_sent(trading: Shop) -> None:
    for _ in range(3):
        for name in ("receive", "reserve", "redistribute", "purchase"):
            assert COMMANDS[name].send(trading).status == 201
    # 10 received, 2 + 2 of them bought, 7 more received, 3 held.
    assert trading.totals() == Counters(10, 3, 4)
