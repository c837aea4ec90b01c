"""Names and descriptions: what is refused, what is normalised, and that a repeat of an older request stays one."""

import hashlib
import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shop_command.domain import texts
from shop_command.handlers.products import ProductBody
from shop_command.testing import Shop
from shop_http.testing import Answer

PRICE = {"amount_minor": 500, "currency": "EUR"}
ACUTE, NFC = "Cafe\u0301", "Caf\u00e9"


def listed(shop: Shop, *, name: str = "Mug", description: str = "", key: str = "list") -> Answer:
    body = {"sku": "MUG", "name": name, "description": description, "price": PRICE}
    return shop.post("/products", body, groups="[admin]", key=key)


INVISIBLE = ["\u200b", "\u200b\u2060", "\u00ad", "\u3164", "\u2800", "\u00a0", " ", "\u200e\u200f", "\ufe0f", "\u0301"]
UNWANTED = [
    *("Mug \u202egnp.exe", "Mug\u2066", "Mug\u2069", "M\u0085ug", "Mug\u009b", "Mug\ufeff"),
    *("Mug\ufdd0", "Mug\uffff", "Mug\U0010fffe", "Mug\U000e0041", "\U000e0001Mug", "Mug\ufff9"),
]
STRAY = ["Mug \u200d", "Mug\u200c", "\u200dMug", "a \u200cb"]


@pytest.mark.parametrize("text", [*UNWANTED, *STRAY, *INVISIBLE])
def test_a_name_has_something_to_see_and_nothing_that_misleads(shop: Shop, text: str) -> None:
    before = shop.contents()
    answer = listed(shop, name=text)
    assert (answer.status, [error["pointer"] for error in answer.body["errors"]]) == (422, ["/name"])
    assert shop.contents() == before


@pytest.mark.parametrize("text", ["Mug\u2028Cup", "Mug\u2029Cup", "Mug\nCup", "Mug\tCup"])
def test_a_name_is_one_line(shop: Shop, text: str) -> None:
    assert listed(shop, name=text).body["errors"][0]["pointer"] == "/name"


@pytest.mark.parametrize("text", [*UNWANTED, *STRAY, "\u200b", "\u3164", "\u2800"])
def test_a_description_has_nothing_that_misleads(shop: Shop, text: str) -> None:
    assert listed(shop, description=text).body["errors"][0]["pointer"] == "/description"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Mug",
            "M",
            "5",
            "?",
            "\u20ac",
            "M\u00fcller & S\u00f6hne",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        *("\u0915\u094d\u200d\u0937", "\U0001f469\u200d\U0001f373", "\u2764\ufe0f", "\u05e9\u05dc\u05d5\u05dd\u200f!"),
        *("\u6f22\u5b57", "\u0e01\u200b\u0e02", "co\u00adoperate"),
    ],
)
def test_scripts_joiners_and_emoji_are_kept(shop: Shop, text: str) -> None:
    assert listed(shop, name=text, description=text).body["name"] == text


@pytest.mark.parametrize(("sent", "shown"), [(" Mug ", "Mug"), ("\u00a0Mug\u2003", "Mug"), (ACUTE, NFC)])
def test_a_name_is_trimmed_and_composed(shop: Shop, sent: str, shown: str) -> None:
    answer = listed(shop, name=sent)
    assert answer.body["name"] == shown
    assert listed(shop, name=sent) == answer


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Blue\r\nRed\rGreen\n", "Blue\nRed\nGreen"),
        ("Blue\tRed", "Blue Red"),
        ("Blue\u2028Red", "Blue\nRed"),
        (" \r\n ", ""),
        (ACUTE, NFC),
        ("a\n\nb", "a\n\nb"),
    ],
)
def test_the_lines_of_a_text_area_are_normalised(shop: Shop, sent: str, shown: str) -> None:
    answer = listed(shop, description=sent)
    assert answer.body["description"] == shown
    assert listed(shop, description=sent) == answer


def test_a_text_that_is_longer_when_it_is_composed_is_measured_so(shop: Shop) -> None:
    longer = "\u0958" * 101  # each is two characters in NFC
    answer = listed(shop, name=longer)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/name")
    assert listed(shop, name="\u0958" * 100).status == 201


def test_a_lone_surrogate_is_no_json(shop: Shop) -> None:
    raw = '{"sku": "MUG", "name": "Mug\\ud800", "description": "", "price": {"amount_minor": 500, "currency": "EUR"}}'
    assert shop.post("/products", raw_body=raw, groups="[admin]").status == 400


def sendable(text: str) -> bool:
    body: dict[str, Any] = {"sku": "MUG", "name": text, "description": text, "price": PRICE}
    try:
        ProductBody.model_validate_json(json.dumps(body))
    except ValueError:
        return False
    return True


ALLOWED_BEFORE = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
BEFORE = st.text(max_size=20).filter(lambda text: bool(ALLOWED_BEFORE.fullmatch(text)))


@given(BEFORE.filter(sendable))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
def test_a_repeat_from_before_texts_were_normalised_is_still_recognized(shop: Shop, text: str) -> None:
    shop.store.key_uses.clear()
    shop.store.streams.clear()
    shop.store.stored.clear()
    listed(shop, name=text, description=text)
    [use] = shop.store.key_uses.values()
    old = {"sku": "MUG", "name": text, "description": text, "price": PRICE, "stock_buckets": 1}
    assert use.body_digest == hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()


@given(st.text(max_size=50))
def test_what_is_normalised_stays_so(text: str) -> None:
    for normalised in (texts.name, texts.description):
        assert normalised(normalised(text)) == normalised(text)


@given(BEFORE)
def test_a_text_that_was_allowed_before_loses_nothing_but_its_edges(text: str) -> None:
    assert texts.name(text) == unicodedata.normalize("NFC", text).strip()
    if "\u2028" not in text and "\u2029" not in text:
        assert texts.description(text) == texts.name(text)
