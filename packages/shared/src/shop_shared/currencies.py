"""This table says which currencies the shop can ask money in, and what the payment provider takes of each.

Everywhere in the shop an amount counts the minor unit of ISO 4217. Stripe counts some currencies in another unit and
takes only round amounts of others. https://docs.stripe.com/currencies (2026); its five three-decimal currencies and
their rule are in that page's versions until 2022. Nothing here needs pydantic.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True)
class CurrencyRules:
    code: str
    decimals: int
    """ISO 4217 has so many."""
    provider_decimals: int
    """The provider counts in a unit with so many."""
    multiple_of: int
    """An amount in minor units can be charged only as a multiple of this."""
    minimum_minor: int
    """Stripe states it for the currency that an account is paid out in. Where it states none, the least is 1."""
    maximum_minor: int

    def provider_amount(self, amount_minor: int) -> int | None:
        """Returns the amount as the provider counts it, and None where it takes no such amount."""
        if amount_minor % self.multiple_of:
            return None
        amount: int = amount_minor * 10**self.provider_decimals // 10**self.decimals
        return amount


_TWO_DECIMALS: Final = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC CVE CZK DKK
    DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD KZT LAK LBP LKR
    LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON
    RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST XCD YER ZAR ZMW
"""
"""Stripe's list also has ANG, BGN, HRK and STD, which ISO 4217 has withdrawn."""
_NO_DECIMALS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS: Final = "BHD JOD KWD OMR TND"
_DECIMALS: Final = {
    code: decimals
    for decimals, codes in ((0, _NO_DECIMALS), (2, _TWO_DECIMALS), (3, _THREE_DECIMALS))
    for code in codes.split()
}
_PROVIDER_DECIMALS: Final = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Where they are not ISO's: 5 ISK are 500 to Stripe, and 5.00 MGA are 5."""
_MULTIPLES: Final = {**dict.fromkeys(_THREE_DECIMALS.split(), 10), "MGA": 100}
"""The last digit of a three-decimal amount must be 0, and nobody can charge a part of an ariary."""
_LEAST_IS_50: Final = "ARS AUD BRL CAD CHF COP EUR IDR ILS INR JPY KRW NZD PHP RUB SGD USD ZAR"
_MINIMUMS: Final = {
    **dict.fromkeys(_LEAST_IS_50.split(), 50),
    "AED": 200,
    "CZK": 1_500,
    "DKK": 250,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17_500,
    "MXN": 1_000,
    "MYR": 200,
    "NOK": 300,
    "PLN": 200,
    "RON": 200,
    "SEK": 300,
    "THB": 1_000,
}
PROVIDER_AMOUNT_MAX: Final = 99_999_999
"""Eight digits: https://docs.stripe.com/api/payment_intents/create#create_payment_intent-amount"""
_PROVIDER_MAXIMUMS: Final = {"COP": 9_999_999_999, "IDR": 99_999_999_999, "INR": 999_999_999}
"""Stripe takes twelve digits of IDR, and an event's amount has eleven."""


def _rules(code: str, decimals: int) -> CurrencyRules:
    provider_decimals = _PROVIDER_DECIMALS.get(code, decimals)
    maximum = _PROVIDER_MAXIMUMS.get(code, PROVIDER_AMOUNT_MAX) * 10**decimals // 10**provider_decimals
    return CurrencyRules(code, decimals, provider_decimals, _MULTIPLES.get(code, 1), _MINIMUMS.get(code, 1), maximum)


CURRENCIES: Final = {code: _rules(code, decimals) for code, decimals in sorted(_DECIMALS.items())}


def to_provider(amount_minor: int, currency: str) -> int | None:
    """Returns the amount as the provider counts it, and None where it takes no such amount of this currency.

    An unknown currency stays as it is.
    """
    rules = CURRENCIES.get(currency)
    return rules.provider_amount(amount_minor) if rules else amount_minor


def from_provider(amount: int, currency: str) -> int:
    """Returns minor units of an amount as the provider counts it. An unknown currency stays as it is."""
    rules = CURRENCIES.get(currency.upper())
    return amount if rules is None else amount * 10**rules.decimals // 10**rules.provider_decimals


def formatted(amount_minor: int, currency: str) -> str:
    """Writes `12.50 EUR`, `500 JPY` or `5.120 KWD`. A currency that is not in the table gets two decimals."""
    rules = CURRENCIES.get(currency)
    return f"{Decimal(amount_minor).scaleb(-(rules.decimals if rules else 2))} {currency}"
