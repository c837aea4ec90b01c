"""The queries. Each answer is a JSON document as text."""

from datetime import date
from typing import Final, TypeGuard

from shop_query.application.catalogue import ALIKE_MAX, RANKED_MAX, TOTAL_MAX, Selection
from shop_query.application.cursors import Cursors, Order, Scope
from shop_query.application.errors import InvalidParameterError, NotFoundError, NotYetVisibleError
from shop_query.application.periods import Period
from shop_query.application.waiting import FOR_ANYONE, FOR_CUSTOMERS, Waiting
from shop_query.ports import Clock, Document, Parameters, Query, ReadModel
from shop_shared import forms

DAYS_DEFAULT: Final = 30
DAYS_MAX: Final = 366

CATEGORIES: Final = Order("categories", ("category",))
RESERVATIONS: Final = Order("reservations", ("placed_at", "reservation_id"))
PURCHASES: Final = Order("purchases", ("purchased_at", "purchase_id"))
ACTIVITY: Final = Order("activity", ("stream_version",))
DAILY_SALES: Final = Order("daily-sales", ("day", "sku", "currency"))
_FORMS: Final = {Query.PRODUCT: forms.SKU, Query.RESERVATION: forms.UUID, Query.PURCHASE: forms.UUID}


class Queries:
    def __init__(self, read_model: ReadModel, clock: Clock) -> None:
        self._read_model = read_model
        self._clock = clock
        self._cursors = Cursors(read_model.cursor_key)
        customers = Waiting(FOR_CUSTOMERS, clock)
        self._waiting = {
            Query.PRODUCT: Waiting(FOR_ANYONE, clock),
            Query.RESERVATION: customers,
            Query.PURCHASE: customers,
        }

    def products(self, selection: Selection, limit: int, cursor: str | None = None, *, total: bool = False) -> str:
        """Lists what is for sale. With `total`, it also counts the products of all pages, up to TOTAL_MAX."""
        order, scope = selection.cursor_order(), selection.scope()
        if selection.is_everything and not total:
            return self._page(Query.PRODUCTS, order, scope, cursor, {"limit": limit})
        query = Query.PRODUCT_BROWSE if selection.q is None else Query.PRODUCT_SEARCH
        return self._page(query, order, scope, cursor, {**selection.parameters(), "limit": limit, "total": total})

    def product(self, sku: str, min_version: int | None = None) -> str:
        """Retired products are found too, because the purchases that name them outlive them."""
        return self._document(Query.PRODUCT, sku, {"sku": sku}, min_version)

    def categories(self, limit: int, cursor: str | None = None) -> str:
        """Lists the categories of what is for sale, each with the number of its products."""
        return self._page(Query.CATEGORIES, CATEGORIES, {}, cursor, {"limit": limit})

    def reservations(self, customer_id: str, limit: int, cursor: str | None = None) -> str:
        """Lists the customer's own reservations in every status; the newest comes first."""
        scope = {"customer_id": customer_id}
        return self._page(Query.RESERVATIONS, RESERVATIONS, scope, cursor, {**scope, "limit": limit})

    def reservation(self, reservation_id: str, customer_id: str, min_version: int | None = None) -> str:
        keys = {"reservation_id": reservation_id, "customer_id": customer_id}
        return self._document(Query.RESERVATION, reservation_id, keys, min_version)

    def purchases(self, customer_id: str, limit: int, cursor: str | None = None) -> str:
        """Lists the customer's own purchases; the newest comes first."""
        scope = {"customer_id": customer_id}
        return self._page(Query.PURCHASES, PURCHASES, scope, cursor, {**scope, "limit": limit})

    def purchase(self, purchase_id: str, customer_id: str, min_version: int | None = None) -> str:
        keys = {"purchase_id": purchase_id, "customer_id": customer_id}
        return self._document(Query.PURCHASE, purchase_id, keys, min_version)

    def daily_sales(
        self, first: date | None, last: date | None, sku: str | None, limit: int, cursor: str | None = None
    ) -> str:
        """By day, SKU and currency, both days included; the last 30 days when none is given."""
        # What was said, not what it comes to: at midnight a list of the last 30 days goes on.
        scope: Scope = {"from": str(first), "to": str(last), "sku": sku}
        first, last = self._days(first, last)
        parameters: Parameters = {"first": first, "last": last, "sku": sku, "limit": limit}
        query = Query.DAILY_SALES if sku is None else Query.DAILY_SALES_OF_PRODUCT
        return self._page(query, DAILY_SALES, scope, cursor, parameters)

    def top_sales(self, first: date | None, last: date | None, currency: str | None, sort: str, limit: int) -> str:
        """By SKU and currency, the most first, both days included; of the last 30 days when none is given."""
        if sort == "revenue" and currency is None:
            raise InvalidParameterError("sort", "Amounts of two currencies do not compare; send `currency` too.")
        first, last = self._days(first, last)
        period = Period(first, last)
        query = Query.TOP_SALES_OF_MONTH if period.is_month else Query.TOP_SALES
        parameters = {**period.parameters(), "currency": currency, "sort": sort, "limit": limit}
        page = self._read_model.page(Query.TOP_SALES_OF_DAY if period.is_day else query, parameters)
        return f'{{"items":{page.items}}}'

    def activity(self, stream_id: str, limit: int, cursor: str | None = None) -> str:
        """Lists the events of one stream and who brought them about; the newest comes first."""
        if not forms.STREAM_ID.matches(stream_id):
            raise NotFoundError("stream")
        scope = {"stream_id": stream_id}
        page = self._page(Query.ACTIVITY, ACTIVITY, scope, cursor, {**scope, "limit": limit})
        if cursor is None and page.startswith('{"items":[],'):
            raise NotFoundError("stream")
        return page

    def _days(self, first: date | None, last: date | None) -> tuple[date, date]:
        last = last or self._clock.today()
        first = first or date.fromordinal(max(1, last.toordinal() - DAYS_DEFAULT + 1))
        if first > last:
            raise InvalidParameterError("from", f"`from` ({first}) must not be after `to` ({last}).")
        if (last - first).days >= DAYS_MAX:
            raise InvalidParameterError("from", f"`from` to `to` may span {DAYS_MAX} days at most.")
        return first, last

    def _document(self, query: Query, identifier: str, keys: Parameters, min_version: int | None) -> str:
        if not _FORMS[query].matches(identifier):
            raise NotFoundError(query)
        document = self._read_model.document(query, keys)
        if min_version is not None:
            return self._awaited(query, identifier, keys, min_version, document).text
        if document is None:
            raise NotFoundError(query, is_anothers=self._is_anothers(identifier, keys))
        return document.text

    def _awaited(
        self, query: Query, identifier: str, keys: Parameters, min_version: int, document: Document | None
    ) -> Document:
        """Looks again and again, and holds neither a transaction nor a pooler's connection in between."""
        waiting = self._waiting[query]
        if _has(document, min_version):
            return document
        if waiting.is_plausible(min_version, document.version if document else None):
            with waiting.pauses() as pauses:
                for _ in pauses:
                    document = self._read_model.document(query, keys)
                    if _has(document, min_version):
                        return document
        is_anothers = document is None and self._is_anothers(identifier, keys)
        raise NotYetVisibleError(query, min_version, is_anothers=is_anothers)

    def _is_anothers(self, identifier: str, keys: Parameters) -> bool:
        """The answer is the same; only the log tells who asks for other customers' things."""
        if "customer_id" not in keys:
            return False
        found = {"reservation_id": identifier, "customer_id": keys["customer_id"]}
        return self._read_model.document(Query.ANOTHERS, found) is not None

    def _page(self, query: Query, order: Order, scope: Scope, cursor: str | None, parameters: Parameters) -> str:
        page = self._read_model.page(query, {**parameters, **self._cursors.decode(order, scope, cursor)})
        following = self._cursors.encode(order, scope, page.last_key)
        total = _total(page.total, is_search=parameters.get("q") is not None)
        next_cursor = "null" if following is None else f'"{following}"'
        return f'{{"items":{page.items},"next_cursor":{next_cursor}{total}}}'


def _has(document: Document | None, min_version: int) -> TypeGuard[Document]:
    return document is not None and document.version >= min_version


def _total(counted: int | None, *, is_search: bool) -> str:
    if counted is None:
        return ""
    # A search that found as many as it looks at may have left some out.
    is_cut = counted > TOTAL_MAX or (is_search and counted in (ALIKE_MAX, RANKED_MAX))
    exact = "false" if is_cut else "true"
    return f',"total":{min(counted, TOTAL_MAX)},"total_is_exact":{exact}'
