"""Refuses what Stripe charges in no currency, as its documents say: https://docs.stripe.com/currencies (2026).

Amounts are Stripe's own: lower-case codes, and a unit that is not always ISO's. It knows nothing of the shop's table of
currencies, so that a mistake in one shows against the other. The minimum is stated for an account that is paid out in
the currency of the charge; this account is paid out in every currency that has one.
"""

from typing import Final

from .wire import ApiError

_PRESENTMENT: Final = """
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp
    cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk
    jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn
    nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std
    szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw
"""
_WHOLE_UNITS: Final = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
"""An amount in one of these counts whole units, and not hundredths."""
_LAST_DIGIT_ZERO: Final = ("bhd", "jod", "kwd", "omr", "tnd")
_NO_FRACTIONS: Final = ("isk", "ugx")
"""They had two decimals once, so 5 ISK are still written as 500."""
_MINIMUMS: Final = {
    "usd": 50,
    "aed": 200,
    "ars": 50,
    "aud": 50,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "cop": 50,
    "czk": 15_00,
    "dkk": 2_50,
    "eur": 50,
    "gbp": 30,
    "hkd": 4_00,
    "huf": 175_00,
    "idr": 50,
    "ils": 50,
    "inr": 50,
    "jpy": 50,
    "krw": 50,
    "mxn": 10_00,
    "myr": 2_00,
    "nok": 3_00,
    "nzd": 50,
    "php": 50,
    "pln": 2_00,
    "ron": 2_00,
    "rub": 50,
    "sek": 3_00,
    "sgd": 50,
    "thb": 10_00,
    "zar": 50,
}
_MAXIMUMS: Final = {"cop": 9_999_999_999, "idr": 999_999_999_999, "inr": 999_999_999}
EIGHT_DIGITS: Final = 99_999_999
"""The currencies' page allows more to most cards, the API's reference does not: the lower one is refused first."""


def written(amount: int, currency: str) -> str:
    """Writes an amount as a person reads it, such as `19.99 EUR`."""
    decimals = 0 if currency in _WHOLE_UNITS.split() else 3 if currency in _LAST_DIGIT_ZERO else 2
    return f"{amount / 10**decimals:.{decimals}f} {currency.upper()}"


def check_charge(amount: int, currency: str) -> None:
    if currency not in _PRESENTMENT.split():
        raise ApiError(400, f"Invalid currency: {currency}.", param="currency")
    check_digits(amount, currency)
    minimum, maximum = _MINIMUMS.get(currency, 1), _MAXIMUMS.get(currency, EIGHT_DIGITS)
    if amount < minimum:
        message = f"Amount must be at least {minimum} {currency}"
        raise ApiError(400, message, code="amount_too_small", param="amount")
    if amount > maximum:
        message = f"Amount must be no more than {maximum} {currency}"
        raise ApiError(400, message, code="amount_too_large", param="amount")


def check_digits(amount: int, currency: str) -> None:
    """Holds for refunds as well."""
    if (currency in _LAST_DIGIT_ZERO and amount % 10) or (currency in _NO_FRACTIONS and amount % 100):
        raise ApiError(400, f"Invalid amount: {amount} {currency}.", code="invalid_charge_amount", param="amount")
