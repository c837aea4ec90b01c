"""The table has ISO 4217's units on the shop's side, and Stripe's on the other."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_shared import forms
from shop_shared.currencies import CURRENCIES, formatted, from_provider, to_provider


@pytest.mark.parametrize("code", ["ZZZ", "XXX", "XTS", "XAU", "DEM", "HRK", "STD", "BGN", "eur"])
def test_no_money_can_be_asked_for_in_a_code_that_is_no_currency_of_today(code: str) -> None:
    assert code not in CURRENCIES


@pytest.mark.parametrize(
    ("amount_minor", "currency", "amount"),
    [
        (1_099, "EUR", 1_099),
        (500, "JPY", 500),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (500, "MGA", 5),
        (501, "MGA", None),
        (5_120, "KWD", 5_120),
        (5_123, "KWD", None),
        (1_045, "HUF", 1_045),
        (80_045, "TWD", 80_045),
    ],
)
def test_an_amount_is_what_stripe_documents_for_its_currency(
    amount_minor: int, currency: str, amount: int | None
) -> None:
    assert to_provider(amount_minor, currency) == CURRENCIES[currency].provider_amount(amount_minor) == amount


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(min_value=0, max_value=10**9))
def test_what_is_charged_is_the_amount_again_when_it_comes_back(code: str, units: int) -> None:
    rules = CURRENCIES[code]
    amount = rules.provider_amount(units * rules.multiple_of)
    assert amount is not None
    assert from_provider(amount, code.lower()) == units * rules.multiple_of


@pytest.mark.parametrize("code", CURRENCIES)
def test_both_ends_of_what_can_be_charged_are_in_the_right_order(code: str) -> None:
    found = CURRENCIES[code]
    assert forms.CURRENCY.matches(found.code)
    assert 1 <= found.minimum_minor <= found.maximum_minor <= 99_999_999_999
    assert found.provider_amount(found.minimum_minor * found.multiple_of) is not None


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (1_250, "EUR", "12.50 EUR"),
        (5, "EUR", "0.05 EUR"),
        (-1_250, "EUR", "-12.50 EUR"),
        (500, "JPY", "500 JPY"),
        (5, "ISK", "5 ISK"),
        (5_120, "KWD", "5.120 KWD"),
        (0, "EUR", "0.00 EUR"),
        (99_999_999_999, "IDR", "999999999.99 IDR"),
        (100, "ZZZ", "1.00 ZZZ"),
    ],
)
def test_money_is_written_with_the_decimals_of_its_currency(amount_minor: int, currency: str, text: str) -> None:
    assert formatted(amount_minor, currency) == text


def test_the_table_is_there_without_pydantic() -> None:
    code = "import sys; sys.modules['pydantic'] = None; import shop_shared.currencies"
    subprocess.run([sys.executable, "-c", code], check=True)
