"""Stores the payment provider's key and the secret of its webhooks where shop-command reads them. Never prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shop_cli.errors import ShopError


@dataclass(frozen=True)
class ProviderKey:
    parameter: str
    variable: str
    begins_with: tuple[str, ...]
    name: str
    is_needed: bool


KEYS: Final = (
    ProviderKey("payment-api-key", "SHOP_PAYMENT_API_KEY", ("sk_", "rk_"), "API key", is_needed=True),
    # The provider makes the secret when the webhook is registered, for which the shop's address has to be known.
    ProviderKey(
        "payment-webhook-secret", "SHOP_PAYMENT_WEBHOOK_SECRET", ("whsec_",), "webhook secret", is_needed=False
    ),
)
VARIABLES: Final = tuple(key.variable for key in KEYS)

Ask = Callable[[str], str]


def store(ssm: Any, stage: str, variables: Mapping[str, str], ask: Ask | None) -> Iterator[str]:
    """Yields what has become of each key. A variable replaces what is stored; without one, what is stored stays.

    Asks for the rest, unless nobody can be asked. Raises ShopError for a key that is needed and not to be had.
    """
    for key in KEYS:
        name = f"/shop/{stage}/{key.parameter}"
        stored, given = _stored(ssm, name), variables.get(key.variable, "")
        if not given and not stored and ask is not None:
            later = "" if key.is_needed else " (empty if the webhook is not registered yet)"
            given = ask(f"The payment provider's {key.name}, such as {key.begins_with[0]}…{later}").strip()
        if given and not given.startswith(key.begins_with):
            raise ShopError(f"The {key.name} has to begin with {' or '.join(key.begins_with)}")
        if given and given != stored:
            ssm.put_parameter(Name=name, Value=given, Type="SecureString", Overwrite=True)
            yield f"{key.name} {'replaced' if stored else 'stored'}"
        elif stored:
            yield f"{key.name} is there"
        elif key.is_needed:
            raise ShopError(f"The payment provider's {key.name} is missing: set {key.variable}, or run in a terminal")
        else:
            yield f"no {key.name} yet"


def _stored(ssm: Any, name: str) -> str:
    try:
        return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return ""
