"""Administrators change products, their prices and their stock."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from msgspec import Struct

from shop_command.application.journal import OVERTAKEN, Decided, Journal
from shop_command.application.request import Key, Request
from shop_command.application.stock_search import StockSearch, WantedLine
from shop_command.domain import product
from shop_command.domain.errors import AdjustmentTooLargeError, OutOfStockError
from shop_command.domain.product import (
    AdjustStock,
    Command,
    Describe,
    ListProduct,
    Product,
    ReceiveStock,
    RedistributeStock,
    Relist,
    Reprice,
    Retire,
)
from shop_command.domain.stock import Bucket
from shop_command.domain.stream import Snapshot, Stream
from shop_command.ports import ContentionError, StockShortError
from shop_shared.envelope import Envelope
from shop_shared.events import (
    ProductDescribed,
    ProductListed,
    ProductRelisted,
    ProductRepriced,
    ProductRetired,
    StockAdjusted,
    StockReceived,
    StockRedistributed,
)
from shop_shared.values import BUCKETS_MAX, Allocation, Price

REDISTRIBUTION_ROUNDS_MAX: Final = 10
"""Stock is redistributed anew at most this often because customers were first. After each round it is content with
half."""

ADJUSTMENT_ROUNDS_MAX: Final = 10
"""Stock is taken away anew at most this often because customers were first."""


class Products(Struct, frozen=True):
    journal: Journal
    randomness: Random

    def list_product(self, request: Request, command: ListProduct) -> "Envelope[ProductListed]":
        return self._run(request, command, Key.of(request, "list-product", stock_buckets=command.stock_buckets))

    def describe(self, request: Request, command: Describe) -> "Envelope[ProductDescribed]":
        return self._run(request, command, Key.of(request, "describe"))

    def reprice(
        self, request: Request, sku: str, price: Price, *, allow_currency_change: bool = False
    ) -> "Envelope[ProductRepriced]":
        return self._run(request, Reprice(sku, price, allow_currency_change), Key.of(request, "reprice"))

    def receive_stock(self, request: Request, sku: str, quantity: int) -> "Envelope[StockReceived]":
        command = ReceiveStock(sku, quantity, first_bucket=self.randomness.randrange(BUCKETS_MAX))
        return self._run(request, command, Key.of(request, "receive-stock"))

    def adjust_stock(self, request: Request, sku: str, quantity_change: int, reason: str) -> "Envelope[StockAdjusted]":
        first_bucket = self.randomness.randrange(BUCKETS_MAX)

        def decide(loaded: Snapshot[Product], _rounds: int) -> Decided:
            taken = self._available(sku, -quantity_change) if quantity_change < 0 else ()
            command = AdjustStock(sku, quantity_change, reason, first_bucket, taken)
            return Decided(product.decide(command, loaded.state), self.journal.now())

        return self.journal.run(
            request,
            product.stream(sku),
            decide,
            key=Key.of(request, "adjust-stock"),
            overtaken=(*OVERTAKEN, StockShortError),
            rounds_max=ADJUSTMENT_ROUNDS_MAX,
        ).event

    def _available(self, sku: str, quantity: int) -> tuple[Allocation, ...]:
        """Finds stock to take away as a reservation does: it is too little only where it was, at one moment."""
        stored = self.journal.store.states([product.stream(sku).id])
        search = StockSearch(self.journal.store, self.randomness, (WantedLine(sku, quantity),), stored)
        try:
            search.look({sku})
        except OutOfStockError as error:
            raise AdjustmentTooLargeError(sku, error.shortages[0].available) from error
        return search.allocations[sku]

    def redistribute_stock(self, request: Request, sku: str, stock_buckets: int) -> "Envelope[StockRedistributed]":
        """One transaction moves what is available. Customers who buy meanwhile lose nothing by it, nor wait for it."""

        def decide(loaded: Snapshot[Product], rounds: int) -> Decided:
            buckets = [Bucket(sku, number) for number in product.listed(sku, loaded.state).bucket_numbers()]
            levels = self.journal.store.levels(buckets)
            available = {bucket.number: level.available for bucket, level in levels.items()}
            command = RedistributeStock(sku, stock_buckets, available, halvings=rounds)
            return Decided(product.decide(command, loaded.state), self.journal.now())

        return self.journal.run(
            request,
            product.stream(sku),
            decide,
            key=Key.of(request, "redistribute-stock"),
            overtaken=(*OVERTAKEN, StockShortError, ContentionError),
            rounds_max=REDISTRIBUTION_ROUNDS_MAX,
        ).event

    def retire(self, request: Request, sku: str) -> "Envelope[ProductRetired]":
        return self._run(request, Retire(sku), Key.of(request, "retire"))

    def relist(self, request: Request, sku: str) -> "Envelope[ProductRelisted]":
        return self._run(request, Relist(sku), Key.of(request, "relist"), load=self.journal.load_from_events)

    def _run(
        self,
        request: Request,
        command: Command,
        key: Key,
        load: Callable[[Stream[Product, Any]], Snapshot[Product]] | None = None,
    ) -> "Envelope[Any]":
        def decide(loaded: Snapshot[Product], _rounds: int) -> Decided:
            return Decided(product.decide(command, loaded.state), self.journal.now())

        return self.journal.run(request, product.stream(command.sku), decide, key=key, load=load).event
