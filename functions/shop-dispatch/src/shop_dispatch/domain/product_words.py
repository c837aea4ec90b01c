"""The search knows the words of products' names. PostgreSQL itself takes them out of the names, which are folded here.

A word stays when its last product is renamed: it then only finds nothing.
"""

from collections.abc import Iterable
from typing import NamedTuple

from shop_shared.envelope import Envelope
from shop_shared.events import ProductDescribed, ProductListed


class ProductName(NamedTuple):
    name: str


def product_names(events: Iterable[Envelope]) -> list[ProductName]:
    named = {event.data.name for event in events if isinstance(event.data, ProductListed | ProductDescribed)}
    return [ProductName(name) for name in sorted(named)]
