"""A cursor goes on where a page ended, with the same question and with no other."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any

import pytest

from shop_query.application.catalogue import Selection, Sort
from shop_query.application.cursors import CURSOR_CHARACTERS_MAX, SIGNATURE_BYTES, Cursors, Order
from shop_query.application.errors import InvalidParameterError
from shop_query.handlers import api
from shop_query.handlers.parameters import CURSOR
from shop_query.testing import PLACED, Shop

ORDER = Order("list", ("name", "sku"))
CALLER: dict[str, Any] = {"customer": "ada", "groups": "[admin]"}
SCOPE = {"customer_id": "ada"}


def cursors(key: bytes = b"key") -> Cursors:
    return Cursors(lambda: key)


def refused(order: Order, scope: dict[str, Any], cursor: str, *, by: Cursors | None = None) -> bool:
    try:
        (by or cursors()).decode(order, scope, cursor)
    except InvalidParameterError as error:
        return error.parameter == "cursor"
    return False


def written(signed: bytes) -> str:
    return urlsafe_b64encode(signed).decode().rstrip("=")


def test_a_cursor_comes_back_as_the_place_it_was_made_of() -> None:
    cursor = cursors().encode(ORDER, SCOPE, ("Ünïcode \U0001f375", "MUG"))
    assert cursors().decode(ORDER, SCOPE, cursor) == {"after_name": "Ünïcode \U0001f375", "after_sku": "MUG"}
    assert cursors().decode(ORDER, SCOPE, None) == {"after_name": None, "after_sku": None}


def test_a_cursor_may_end_in_any_character() -> None:
    ends = set()
    for last in map(chr, range(32, 127)):
        cursor = cursors().encode(ORDER, SCOPE, ("Mug", "MUG" + last))
        assert cursor is not None
        assert cursors().decode(ORDER, SCOPE, cursor)["after_sku"] == "MUG" + last
        ends.add(cursor[-1])
    assert len(ends) == 64


def test_the_longest_place_fits() -> None:
    cursor = cursors().encode(ORDER, SCOPE, ("\U0001f375" * 200, "A" * 40))
    assert cursor is not None
    assert cursors().decode(ORDER, SCOPE, cursor)["after_sku"] == "A" * 40


def test_a_cursor_has_as_many_characters_as_are_allowed_and_no_more() -> None:
    bytes_left = CURSOR_CHARACTERS_MAX // 4 * 3 - SIGNATURE_BYTES - len("Mug\0")
    longest, longer = (cursors().encode(ORDER, SCOPE, ("Mug", "A" * (bytes_left + more))) for more in (0, 1))
    assert longest is not None
    assert longer is not None
    assert not refused(ORDER, SCOPE, longest)
    assert refused(ORDER, SCOPE, longer)


def test_a_place_has_one_value_for_each_column() -> None:
    for key in (["Mug"], ["Mug", "MUG", "EUR"]):
        with pytest.raises(ValueError, match="argument 2"):
            ORDER.after(key)


def test_no_character_of_a_cursor_can_be_changed_left_out_or_added() -> None:
    cursor = cursors().encode(ORDER, SCOPE, ("Mug", "MUG-1"))
    assert cursor is not None
    for place in range(len(cursor)):
        for other in {"A", "B", "_", "=", "!", " ", "\u0660"} - {cursor[place]}:
            assert refused(ORDER, SCOPE, cursor[:place] + other + cursor[place + 1 :])
        assert refused(ORDER, SCOPE, cursor[:place] + cursor[place + 1 :])
    for more in ("=", "==", "A", "AAAA", "\n", "!"):
        assert refused(ORDER, SCOPE, cursor + more)
        assert refused(ORDER, SCOPE, more + cursor)


@pytest.mark.parametrize("cursor", ["", "AAAA", "A" * 22, "A" * 1_000_000, "\x00", "\ud800", "null", "W10"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    assert refused(ORDER, SCOPE, cursor)


def test_a_cursor_is_of_one_list_one_question_and_one_shop() -> None:
    cursor = cursors().encode(ORDER, SCOPE, ("Mug", "MUG"))
    assert cursor is not None
    assert not refused(ORDER, SCOPE, cursor)
    assert refused(Order("other", ORDER.columns), SCOPE, cursor)
    for columns in (("sku", "name"), ("price", "sku"), ("name",), ("name", "price", "sku"), ("name, sku",)):
        assert refused(Order(ORDER.name, columns), SCOPE, cursor), columns
    assert refused(ORDER, {"customer_id": "bob"}, cursor)
    assert refused(ORDER, SCOPE, cursor, by=cursors(b"another"))


def test_whoever_knows_how_it_is_made_but_not_the_key_makes_none() -> None:
    cursor = cursors().encode(ORDER, SCOPE, ("Mug", "MUG"))
    assert cursor is not None
    signed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    place = b"Mug\0MUH"
    question = ascii((ORDER.name, ORDER.columns, *SCOPE.items())).encode()
    for signature in (signed[:16], blake2b(question + b"\0" + place, digest_size=16).digest()):
        assert refused(ORDER, SCOPE, written(signature + place))


def test_a_cursor_whose_columns_are_not_signed_is_refused_like_any_that_is_not_ours() -> None:
    """The releases before signed so."""
    place = b"Mug\0MUG"
    question = ascii((ORDER.name, *SCOPE.items())).encode()
    key = blake2b(b"key").digest()
    assert refused(ORDER, SCOPE, written(blake2b(question + b"\0" + place, key=key, digest_size=16).digest() + place))


@pytest.mark.parametrize("length", [1, 64, 65, 72, 1_000])
def test_a_key_may_have_any_length_and_all_of_it_counts(length: int) -> None:
    key = b"k" * length
    cursor = cursors(key).encode(ORDER, SCOPE, ("Mug", "MUG"))
    assert cursor is not None
    assert not refused(ORDER, SCOPE, cursor, by=cursors(key))
    assert refused(ORDER, SCOPE, cursor, by=cursors(key[:-1] + b"x"))


def test_questions_that_differ_in_the_kind_of_a_value_differ() -> None:
    scopes: list[dict[str, Any]] = [{"q": None}, {"q": "None"}, {"q": True}, {"q": "True"}, {"q": 1}, {"q": "1"}]
    made = [cursors().encode(ORDER, scope, ("Mug", "MUG")) for scope in scopes]
    assert len(set(made)) == len(scopes)


def test_each_part_of_a_selection_is_part_of_its_cursors() -> None:
    selections = [
        Selection(),
        Selection(q="mug"),
        Selection(q="mugs"),
        Selection(skus=("MUG",)),
        Selection(skus=("MUG", "TEA")),
        Selection(category="mugs"),
        Selection(currency="EUR"),
        Selection(price_min=1),
        Selection(price_max=1),
        Selection(in_stock=True),
        *(Selection(sort=sort) for sort in Sort if sort not in (Sort.SKU, Sort.RELEVANCE)),
    ]
    made = {(selection.cursor_order().name, json.dumps(selection.scope(), sort_keys=True)) for selection in selections}
    assert len(made) == len(selections)
    assert Selection().scope() == Selection(sort=Sort.SKU).scope()


def test_the_key_is_read_once_and_only_for_a_list_that_goes_on(shop: Shop) -> None:
    reads: list[int] = []

    def key() -> bytes:
        reads.append(1)
        return b"key"

    made = Cursors(key)
    assert made.encode(ORDER, SCOPE, None) is None
    assert reads == []
    made.decode(ORDER, SCOPE, made.encode(ORDER, SCOPE, ("a", "b")))
    assert reads == [1]


RESERVATION = "0198c6f2-7a10-7c3e-9b0d-000000000000"
SEPTEMBER = {"from": "2026-09-01", "to": "2026-09-30"}
LISTS: list[tuple[str, dict[str, str]]] = [
    *(("/products", {"sort": sort.value}) for sort in Sort if sort is not Sort.RELEVANCE),
    *(("/products", {"q": "mug", "sort": sort.value}) for sort in Sort),
    ("/products", {"sku": "MUG,POT"}),
    ("/products", {"category": "mugs"}),
    ("/products", {"currency": "EUR"}),
    ("/products", {"price_min": "1"}),
    ("/products", {"price_max": "9999"}),
    ("/products", {"in_stock": "true"}),
    ("/categories", {}),
    ("/reservations", {}),
    ("/purchases", {}),
    ("/sales/daily", SEPTEMBER),
    ("/sales/daily", SEPTEMBER | {"to": "2026-09-29"}),
    ("/sales/daily", SEPTEMBER | {"sku": "MUG"}),
    (f"/streams/reservation-{RESERVATION}/activity", {}),
]


def fill(shop: Shop) -> None:
    """Gives each list more than one item."""
    for number, (sku, category) in enumerate((("MUG", "mugs"), ("TEA", "mugs"), ("POT", "pots"))):
        shop.list_product(sku, stock=1, name="Mug", category=category)
        shop.reserve(f"{RESERVATION[:-1]}{number}", "ada", status="purchased", purchased_at=PLACED)
        shop.sell(PLACED.date(), sku)
        shop.sell(PLACED.date(), sku, currency="USD")
    shop.log(RESERVATION, "shop.reservation.placed.v1", "shop.payment.requested.v1", "shop.purchase.confirmed.v1")
    shop.execute("INSERT INTO shop.stream_head VALUES (%s, 3)", f"reservation-{RESERVATION}")


def test_the_lists_are_all_that_have_cursors() -> None:
    declared = {route.path for route in api.handler.declared if CURSOR in (route.query or ())}
    written = {path.replace(f"reservation-{RESERVATION}", "{stream_id}") for path, _ in LISTS}
    assert written == declared


@pytest.mark.parametrize(("path", "query"), LISTS)
def test_a_page_that_is_just_full_is_the_last(shop: Shop, path: str, query: dict[str, str]) -> None:
    fill(shop)
    items = shop.get(path, query, **CALLER).body["items"]
    assert len(items) > 1
    assert shop.get(path, query | {"limit": str(len(items))}, **CALLER).body["next_cursor"] is None
    pages = list(shop.pages(path, query | {"limit": str(len(items) - 1)}, **CALLER))
    assert pages == [items[:-1], items[-1:]]


def test_every_list_refuses_the_cursor_of_another(shop: Shop) -> None:
    fill(shop)
    pages = [shop.get(path, query | {"limit": "1"}, **CALLER).body["next_cursor"] for path, query in LISTS]
    assert len(set(pages)) == len(LISTS)
    for index, (path, query) in enumerate(LISTS):
        for other, cursor in enumerate(pages):
            answer = shop.get(path, query | {"cursor": cursor, "limit": "1"}, **CALLER)
            if other == index:
                assert (answer.status, len(answer.body["items"])) == (200, 1)
            else:
                assert (answer.status, answer.body["errors"][0]["parameter"]) == (422, "cursor"), (path, query)


def test_the_next_page_may_have_another_size_and_a_total(shop: Shop) -> None:
    for sku in "ABCD":
        shop.list_product(sku)
    cursor = shop.get("/products", {"limit": "1"}).body["next_cursor"]
    answer = shop.get("/products", {"limit": "2", "cursor": cursor, "total": "true"})
    assert ([item["sku"] for item in answer.body["items"]], answer.body["total"]) == (["B", "C"], 4)
