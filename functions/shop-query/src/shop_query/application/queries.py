"""The queries. Each answer is a JSON document as text."""

import json
from collections.abc import Callable
from datetime import date
from typing import Final

from shop_query.application import cursors
from shop_query.application.cursors import Order
from shop_query.application.errors import InvalidParameterError, NotFoundError
from shop_query.application.values import SKU_FORM, is_sku, is_uuid
from shop_query.ports import Parameters, Query, ReadModel

DAYS_DEFAULT: Final = 30
DAYS_MAX: Final = 366


class Queries:
    def __init__(self, read_model: ReadModel, today: Callable[[], date]) -> None:
        """`today` is the day in UTC, as the read model counts days."""
        self._read_model = read_model
        self._today = today

    def products(self, limit: int, cursor: str | None) -> str:
        """What is for sale, by SKU."""
        return self._page(Query.PRODUCTS, cursors.PRODUCTS, cursor, {"limit": limit})

    def product(self, sku: str) -> str:
        """Retired products too: the purchases that name them outlive them."""
        return self._document(Query.PRODUCT, "product", sku, is_sku(sku), {"sku": sku})

    def reservation(self, reservation_id: str, customer_id: str) -> str:
        parameters = {"reservation_id": reservation_id, "customer_id": customer_id}
        return self._document(Query.RESERVATION, "reservation", reservation_id, is_uuid(reservation_id), parameters)

    def purchases(self, customer_id: str, limit: int, cursor: str | None) -> str:
        """The customer's own, newest first."""
        parameters: Parameters = {"customer_id": customer_id, "limit": limit}
        return self._page(Query.PURCHASES, cursors.PURCHASES, cursor, parameters)

    def daily_sales(
        self, first: date | None, last: date | None, sku: str | None, limit: int, cursor: str | None
    ) -> str:
        """By day, SKU and currency, both days included; the last 30 days when none is given."""
        if sku is not None and not is_sku(sku):
            raise InvalidParameterError("sku", f"A SKU is {SKU_FORM}.")
        last = last or self._today()
        first = first or date.fromordinal(max(1, last.toordinal() - DAYS_DEFAULT + 1))
        if first > last:
            raise InvalidParameterError("from", f"`from` ({first}) must not be after `to` ({last}).")
        if (last - first).days >= DAYS_MAX:
            raise InvalidParameterError("from", f"`from` to `to` may span {DAYS_MAX} days at most.")
        parameters: Parameters = {"first": first, "last": last, "sku": sku, "limit": limit}
        query = Query.DAILY_SALES if sku is None else Query.DAILY_SALES_OF_PRODUCT
        return self._page(query, cursors.DAILY_SALES, cursor, parameters)

    def _document(self, query: Query, kind: str, identifier: str, well_formed: bool, parameters: Parameters) -> str:
        document = self._read_model.document(query, parameters) if well_formed else None
        if document is None:
            raise NotFoundError(kind, identifier)
        return document

    def _page(self, query: Query, order: Order, cursor: str | None, parameters: Parameters) -> str:
        page = self._read_model.page(query, {**parameters, **order.decode(cursor)})
        return f'{{"items":{page.items},"next_cursor":{json.dumps(order.encode(page.last_key))}}}'
