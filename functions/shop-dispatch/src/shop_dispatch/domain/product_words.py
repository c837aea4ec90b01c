"""The search knows the words of products' names. PostgreSQL itself takes them out of the names, which are folded here.

A word stays when its last product is renamed: it then only finds nothing.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from shop_shared.envelope import Envelope
from shop_shared.events import ProductDescribed, ProductListed

NAMING: Final = (ProductListed.TYPE, ProductDescribed.TYPE)


class ProductName(NamedTuple):
    name: str


def product_names(events: Iterable[Envelope]) -> list[ProductName]:
    datas: Iterable[Any] = (event.data for event in events)
    named = {data.name for data in datas if data.TYPE in NAMING}
    return [ProductName(name) for name in sorted(named)]
