"""The same request, sent twice at once: the one that comes second has the answer of the one that came first."""

from collections.abc import Callable

import pytest

from shop_command.testing import Shop
from shop_http.testing import Answer


def once_key_was_missed(shop: Shop, monkeypatch: pytest.MonkeyPatch, first: Callable[[], Answer]) -> list[Answer]:
    """Runs `first` as a whole, right after the next request has looked for its key in vain."""
    look, answers = shop.store.key_use, list[Answer]()

    def key_use(key_id: str) -> object:
        monkeypatch.setattr(shop.store, "key_use", look)
        found = look(key_id)
        answers.append(first())
        return found

    monkeypatch.setattr(shop.store, "key_use", key_use)
    return answers


def test_a_product_is_listed_once_and_both_are_told_so(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = once_key_was_missed(shop, monkeypatch, shop.list_product)
    answer = shop.list_product()
    assert answers == [answer]
    assert answer.status == 201


@pytest.mark.parametrize(
    ("card", "status"),
    [("pm_card_visa", 201), ("pm_card_visa_chargeDeclined", 402), ("pm_card_authenticationRequired", 202)],
)
def test_a_payment_is_made_once_and_both_are_told_its_outcome(
    stocked: Shop, monkeypatch: pytest.MonkeyPatch, card: str, status: int
) -> None:
    reserved = stocked.reserve().body["reservation_id"]
    answers = once_key_was_missed(stocked, monkeypatch, lambda: stocked.purchase(reserved, card))
    answer = stocked.purchase(reserved, card)
    assert answers == [answer]
    assert answer.status == status


def test_a_refusal_is_one_all_the_same(stocked: Shop) -> None:
    reserved = stocked.reserve().body["reservation_id"]
    stocked.purchase(reserved)
    assert stocked.purchase(reserved, key="another").status == 409
    assert stocked.receive("CUP", key="another").status == 404
