"""A price is one that the shop can ask for, and a total is one that can be charged at once."""

from shop_command.domain import errors
from shop_shared.currencies import CURRENCIES, CurrencyRules
from shop_shared.values import Money, Price


def require_payable(price: Price) -> None:
    """A price may be below the least charge, because several units can be bought at once."""
    rules = _rules(price.currency)
    if price.amount_minor % rules.multiple_of or price.amount_minor > rules.maximum_minor:
        raise _not_payable(price.amount_minor, rules)


def require_whole(amount: Money) -> None:
    """Refuses an amount that has no coin in its currency. One in a currency that is not known today passes."""
    rules = CURRENCIES.get(amount.currency)
    if rules is not None and amount.amount_minor % rules.multiple_of:
        raise _not_payable(amount.amount_minor, rules)


def require_chargeable(total: Money) -> None:
    """Checks what a price has to be too: one that was listed earlier may be in no currency of today."""
    rules, total_minor = _rules(total.currency), total.amount_minor
    if total_minor > rules.maximum_minor:
        raise errors.TotalTooLargeError(total_minor, rules.maximum_minor)
    if total_minor < rules.minimum_minor:
        raise errors.TotalTooSmallError(total_minor, rules.minimum_minor)
    if total_minor % rules.multiple_of:
        raise _not_payable(total_minor, rules)


def _rules(currency: str) -> CurrencyRules:
    if currency not in CURRENCIES:
        raise errors.UnsupportedCurrencyError(currency)
    return CURRENCIES[currency]


def _not_payable(amount_minor: int, rules: CurrencyRules) -> errors.AmountNotPayableError:
    return errors.AmountNotPayableError(amount_minor, rules.code, rules.multiple_of, rules.maximum_minor)
