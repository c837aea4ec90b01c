"""Cursors: where a page ended, opaque to the client, and signed together with the question that the page answers. So
none is taken for another list, another filter, another order, other columns or another customer, and none is made or
altered outside.
docs/adr/0009-cursors.md says why.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final

from shop_query.application.errors import InvalidParameterError

CURSOR_CHARACTERS_MAX: Final = 2_000
SIGNATURE_BYTES: Final = 16
_ALLOWED: Final = (
    "Send the `next_cursor` of this list's last page, unchanged and with the same other parameters, or none."
)

Scope = Mapping[str, str | int | bool | None]
"""What the question was, but for how much of it was wanted: a page may have another size than the one before."""


@dataclass(frozen=True)
class Order:
    """A list in one order: the columns of its sort key."""

    name: str
    columns: tuple[str, ...]

    def start(self) -> dict[str, str | None]:
        return dict.fromkeys(self._parameters)

    def after(self, key: list[str]) -> dict[str, str | None]:
        return dict(zip(self._parameters, key, strict=True))

    @cached_property
    def _parameters(self) -> list[str]:
        """The query takes these parameters, which are None at the start of the list."""
        return [f"after_{column}" for column in self.columns]


class Cursors:
    def __init__(self, key: Callable[[], bytes]) -> None:
        """`key` is called once, when the first cursor comes or goes."""
        self._read_key = key

    def encode(self, order: Order, scope: Scope, last_key: tuple[str, ...] | None) -> str | None:
        if last_key is None:
            return None
        place = "\0".join(last_key).encode()  # no text of PostgreSQL's holds NUL
        return urlsafe_b64encode(self._signature(order, scope, place) + place).decode().rstrip("=")

    def decode(self, order: Order, scope: Scope, cursor: str | None) -> dict[str, str | None]:
        """Returns the query's parameters `after_<column>`."""
        if cursor is None:
            return order.start()
        signed = _bytes(cursor)
        signature, place = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(order, scope, place)):
            raise InvalidParameterError("cursor", _ALLOWED)
        return order.after(place.decode().split("\0"))

    def _signature(self, order: Order, scope: Scope, place: bytes) -> bytes:
        # `ascii` escapes NUL, so that no two questions and places run together to the same bytes. It tells a text from
        # a number that looks like it, like JSON, which takes four times as long.
        question = ascii((order.name, order.columns, *scope.items())).encode()
        return blake2b(question + b"\0" + place, key=self._key, digest_size=SIGNATURE_BYTES).digest()

    @cached_property
    def _key(self) -> bytes:
        """BLAKE2b takes no key of more than 64 bytes, and its own digest of any is as good a key."""
        return blake2b(self._read_key()).digest()


def _bytes(cursor: str) -> bytes:
    """Nothing of what we never write: Python's decoder skips foreign characters and forgives bits and padding."""
    if len(cursor) > CURSOR_CHARACTERS_MAX:
        return b""
    try:
        decoded = urlsafe_b64decode(cursor + "==")
    except ValueError:
        return b""
    return decoded if urlsafe_b64encode(decoded).decode().rstrip("=") == cursor else b""
