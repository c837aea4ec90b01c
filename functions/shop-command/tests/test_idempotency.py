"""The same request again: at once, after its answer was lost, from elsewhere, and for ever. For every command."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from shop_command.application.request import Key, Request
from shop_command.handlers.function import function
from shop_command.handlers.products import StockBody
from shop_command.handlers.reservations import ReservationBody
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


@EACH
def test_a_replayed_answer_says_so_and_names_where_the_present_state_is(trading: Shop, name: str) -> None:
    first, again = (COMMANDS[name].send(trading) for _ in range(2))
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    location = first.headers.get("Location")
    assert again.headers.get("Link") == (f'<{location}>; rel="status"' if location else None)
    assert {**first.headers, **again.headers} == again.headers


def test_a_refused_reuse_of_a_key_is_no_replay(trading: Shop) -> None:
    COMMANDS["purchase"].send(trading)
    refused = COMMANDS["declined"].send(trading)
    assert refused.status == 422
    assert "Idempotent-Replayed" not in refused.headers


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


STORED: Final = {
    "list": "8051a5ebe272d96c1ac57f56e64e5d172014b31b37ce2df943e3e89f26190840",
    "list in a category": "42646f0fd3e8e15b8a1cb1010bf82261c3cd3fe2e536bd6e629ce7476ea0d416",
    "reprice": "b330ad82013c57689aef90be3d69d1210a36fd3ba28f6a51aad11954d6ec681c",
    "receive": "2ad7259d4a2fb27d2122b587d24f445288ff8eb2ce63d764fd84be1fd3357ad9",
    "redistribute": "d0e740a3e552510677de483797602f1a49fd039e2984f50e20791c4fa47811a3",
    "retire": "3aaa30feeb461c93c0c546a5b1c29ef07d03ed550f4f42b854dacf4b221717ec",
}
"""These digests were stored by version 1.0.0 of the API; the body of each is in the test."""


def test_a_repeat_from_before_a_deployment_is_recognized_by_its_stored_digest(trading: Shop) -> None:
    """A field that is added to a body, and has its default, leaves the digest as it was."""
    listed = {"sku": "CUP", "name": "Cup", "description": "", "price": PRICE}
    in_category = {**listed, "stock_buckets": 3, "category": "cups"}
    digests = {}
    for name, command in {
        "list": Command("POST /products", listed),
        "list again": Command("POST /products", {**listed, "stock_buckets": 1, "category": None}),
        "list in a category": Command("POST /products", {**in_category, "sku": "CUP"}),
        **{name: COMMANDS[name] for name in ("reprice", "receive", "redistribute", "retire")},
    }.items():
        trading.store.stored.pop("product-CUP", None)
        trading.store.streams.pop("product-CUP", None)
        assert command.send(trading, key="stored-" + name.replace(" ", "-")).status in (200, 201), name
        digests[name] = list(trading.store.key_uses.values())[-1].body_digest
    assert digests.pop("list again") == digests["list"]
    assert digests == STORED


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("list", "list-product"),
        ("receive", "receive-stock"),
        ("reprice", "reprice"),
        ("redistribute", "redistribute-stock"),
        ("adjust", "adjust-stock"),
        ("describe", "describe"),
        ("retire", "retire"),
        ("relist", "relist"),
        ("purchase", "purchase"),
        ("refund", "refund"),
    ],
)
def test_a_repeat_from_before_a_deployment_is_recognized_by_its_stored_key(
    trading: Shop, name: str, operation: str
) -> None:
    if name == "relist":
        trading.retire()
    COMMANDS.get(name, Command("POST /products/{sku}/relist")).send(trading)
    words = f"{operation}\ncustomer-1\nthe-key"
    assert hashlib.sha256(words.encode()).hexdigest() in trading.store.key_uses


@pytest.mark.parametrize("purpose", ["purchase", "refund"])
def test_the_digest_of_a_payment_is_what_it_was(purpose: str) -> None:
    reservation_id = "0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f"
    content = {
        "purchase": {"reservation_id": reservation_id, "payment_method": "pm_card_visa"},
        "refund": {"purchase_id": reservation_id},
    }
    assert (
        Key.of(Request("customer-1", "the-key", "", "", content[purpose]), purpose).body_digest
        == {
            "purchase": "7d810270e2afc4d27689e9abe9344a10adb0b05583d005639981650fc42dfd34",
            "refund": "302c5e0ea63a1f4f014dde15f2939b80c6e488c34a206f8ed490b48a48583b93",
        }[purpose]
    )


def test_a_field_that_is_added_to_a_body_is_in_the_digest(trading: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The route's body is what is remembered: its use case need not know of the field."""

    class LaterBody(StockBody):
        note: str = ""

    [route] = [route for route in function.declared if route.name == "POST /products/{sku}/stock"]
    monkeypatch.setitem(vars(route), "body", LaterBody)
    first = COMMANDS["receive"].send(trading)
    assert Command("POST /products/{sku}/stock", {"quantity": 7, "note": ""}).send(trading) == first
    other = Command("POST /products/{sku}/stock", {"quantity": 7, "note": "late"}).send(trading)
    assert (other.status, slug(other)) == (422, "idempotency-key-reused")


def test_a_field_that_is_added_to_a_reservation_is_compared(trading: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    class LaterBody(ReservationBody):
        note: str = ""

    [route] = [route for route in function.declared if route.name == "POST /reservations"]
    monkeypatch.setitem(vars(route), "body", LaterBody)
    first = COMMANDS["reserve"].send(trading)
    lines = {"lines": [{"sku": "MUG", "quantity": 3}]}
    assert Command("POST /reservations", {**lines, "note": ""}).send(trading) == first
    other = Command("POST /reservations", {**lines, "note": "late"}).send(trading)
    assert (other.status, slug(other)) == (422, "idempotency-key-reused")


def test_each_command_takes_from_stock_once_however_often_it_is_sent(trading: Shop) -> None:
    for _ in range(3):
        for name in ("receive", "reserve", "redistribute", "purchase"):
            assert COMMANDS[name].send(trading).status == 201
    # 10 received, 2 + 2 of them bought, 7 more received, 3 held.
    assert trading.totals() == Counters(10, 3, 4)


ORDERED: Final = "01939a2c-7e01-7c5d-9a3b-1f2e3d4c5b6a"
OTHERS: Final = "the-key", "3f0c2a9e-7c55-4f0e-9d0e-2b6a1c7f4e11", ORDERED.upper(), f"{ORDERED}0", f"{ORDERED}\n"


def test_a_reservations_id_begins_with_the_time_of_a_key_that_has_one(stocked: Shop) -> None:
    answer = stocked.reserve(("MUG", 1), key=ORDERED)
    reservation_id = uuid.UUID(answer.body["reservation_id"])
    assert (str(reservation_id)[:13], reservation_id.version, reservation_id.variant) == (
        ORDERED[:13],
        8,
        uuid.RFC_4122,
    )
    assert stocked.reserve(("MUG", 1), key=ORDERED).body == answer.body
    others = stocked.reserve(("MUG", 1), key=ORDERED, subject="customer-2").body["reservation_id"]
    assert others[:13] == ORDERED[:13]
    assert others[15:] != str(reservation_id)[15:]
    assert {uuid.UUID(Request("customer-1", key, "", "").reservation_id).version for key in OTHERS} == {5}
