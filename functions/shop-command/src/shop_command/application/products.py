"""Administrators change products, their prices and their stock."""

from dataclasses import dataclass
from random import Random
from typing import Any, Final

from shop_command.application.journal import OVERTAKEN, Decided, Journal
from shop_command.application.request import Key, Request
from shop_command.domain import product
from shop_command.domain.product import Command, ListProduct, Product, ReceiveStock, RedistributeStock, Reprice, Retire
from shop_command.domain.stock import Bucket
from shop_command.domain.stream import Snapshot
from shop_command.ports import ContentionError, StockShortError
from shop_shared.envelope import Envelope
from shop_shared.events import ProductListed, ProductRepriced, ProductRetired, StockReceived, StockRedistributed
from shop_shared.values import BUCKETS_MAX, Price

REDISTRIBUTION_ROUNDS_MAX: Final = 10
"""Stock is redistributed anew at most this often because customers were first. After each round it is content with
half."""


@dataclass(frozen=True)
class Products:
    journal: Journal
    randomness: Random

    def list_product(self, request: Request, command: ListProduct) -> "Envelope[ProductListed]":
        return self._run(request, command, Key.of(request, "list-product", stock_buckets=command.stock_buckets))

    def reprice(self, request: Request, sku: str, price: Price) -> "Envelope[ProductRepriced]":
        return self._run(request, Reprice(sku, price), Key.of(request, "reprice"))

    def receive_stock(self, request: Request, sku: str, quantity: int) -> "Envelope[StockReceived]":
        command = ReceiveStock(sku, quantity, first_bucket=self.randomness.randrange(BUCKETS_MAX))
        return self._run(request, command, Key.of(request, "receive-stock"))

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

    def _run(self, request: Request, command: Command, key: Key) -> "Envelope[Any]":
        def decide(loaded: Snapshot[Product], _rounds: int) -> Decided:
            return Decided(product.decide(command, loaded.state), self.journal.now())

        return self.journal.run(request, product.stream(command.sku), decide, key=key).event
