"""The shop's table of currencies against the model of Stripe, which was written from Stripe's documents alone."""

import pytest

from shop_command.ports import IntentCreated, Refused
from shop_command.testing import FakeGateway
from shop_shared.currencies import CURRENCIES, CurrencyRules
from shop_shared.values import Money

EVERY = pytest.mark.parametrize("rules", CURRENCIES.values(), ids=CURRENCIES)


def charged(rules: CurrencyRules, amount_minor: int) -> IntentCreated | Refused:
    outcome = FakeGateway().create("reservation-1", 1, Money(amount_minor=amount_minor, currency=rules.code))
    assert isinstance(outcome, IntentCreated | Refused)
    return outcome


def least(rules: CurrencyRules) -> int:
    return -(-rules.minimum_minor // rules.multiple_of) * rules.multiple_of


@EVERY
def test_the_provider_takes_the_least_and_the_most_that_the_shop_sells_for(rules: CurrencyRules) -> None:
    most = rules.maximum_minor // rules.multiple_of * rules.multiple_of
    for amount_minor in (least(rules), most):
        assert isinstance(charged(rules, amount_minor), IntentCreated), amount_minor


@EVERY
def test_the_shop_sells_for_less_in_no_currency_in_which_the_provider_charges_less(rules: CurrencyRules) -> None:
    below = least(rules) - rules.multiple_of
    assert below == 0 or charged(rules, below) == Refused("amount_too_small")


@EVERY
def test_an_amount_between_two_that_can_be_charged_never_reaches_the_provider(rules: CurrencyRules) -> None:
    if rules.multiple_of > 1:
        assert charged(rules, least(rules) * 100 + 1) == Refused("amount_not_payable")


@pytest.mark.parametrize("currency", ["ZZZ", "XXX", "DEM"])
def test_money_is_never_asked_for_in_no_currency_of_today(currency: str) -> None:
    gateway = FakeGateway()
    assert gateway.create("reservation-1", 1, Money(amount_minor=500, currency=currency)) == Refused(
        "amount_not_payable"
    )
    assert gateway.calls == []
