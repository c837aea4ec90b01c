"""The lines of a reservation take their stock from a bucket chosen at random, and then from wherever is enough."""

from collections.abc import Collection, Mapping
from random import Random
from typing import Final

from msgspec import Struct

from shop_command.application.journal import snapshot
from shop_command.domain import product, stock
from shop_command.domain.errors import OutOfStockError, Shortage
from shop_command.domain.product import Listed, Product
from shop_command.domain.stock import ALLOCATIONS_MAX, Bucket
from shop_command.ports import ContentionError, EventStore, Level, StoredState
from shop_shared.values import Allocation

READS_MAX: Final = 5
"""Buckets that have too little are read at most this often until two reads in a row agree."""

Levels = Mapping[Bucket, Level]


class WantedLine(Struct, frozen=True):
    sku: str
    quantity: int


class StockSearch:
    products: dict[str, Product | None]
    allocations: dict[str, tuple[Allocation, ...]]

    def __init__(
        self, store: EventStore, randomness: Random, lines: tuple[WantedLine, ...], stored: Mapping[str, StoredState]
    ) -> None:
        """`stored` are states by stream: those of the lines' products, and perhaps others."""
        self.store, self.randomness, self.lines = store, randomness, lines
        self._know(stored)
        self.allocations = {line.sku: self._blindly(line) for line in lines}

    def look(self, short_skus: Collection[str]) -> None:
        """Allocates anew what had too little. Raises OutOfStockError only where all buckets together, at one moment,
        had too little, and ContentionError where no moment could be told.

        Buckets change while they are read, and a redistribution moves stock even to buckets that were not there when
        the product was read. So what is not enough is believed only when the products and then all their buckets are
        read again, and are the same buckets with the same versions: then all of them were so at the moment between.
        """
        # Lines that are spread already count too: together they may need more buckets than a transaction can take.
        skus = {*short_skus, *(sku for sku, allocations in self.allocations.items() if len(allocations) > 1)}
        levels = self._read(skus)
        for _ in range(READS_MAX):
            shortages = self._allocate(skus, levels)
            if not shortages and sum(map(len, self.allocations.values())) <= ALLOCATIONS_MAX:
                return
            self._know(self.store.states([product.stream(line.sku).id for line in self.lines]))
            if not all(isinstance(self.products[sku], Listed) for sku in skus):
                return  # retired meanwhile: the decider refuses it
            again = self._read(skus)
            if again == levels:
                if shortages:
                    raise OutOfStockError(shortages)
                return  # enough, but too scattered: the decider refuses it
            levels = again
        raise ContentionError

    def _know(self, stored: Mapping[str, StoredState]) -> None:
        streams = {line.sku: product.stream(line.sku) for line in self.lines}
        self.products = {sku: snapshot(stream, stored.get(stream.id)).state for sku, stream in streams.items()}

    def _blindly(self, line: WantedLine) -> tuple[Allocation, ...]:
        found = self.products[line.sku]
        if not isinstance(found, Listed):
            return ()  # the decider refuses it
        return (Allocation(bucket=self.randomness.randrange(found.stock_buckets), quantity=line.quantity),)

    def _read(self, skus: Collection[str]) -> Levels:
        listed = {sku: found for sku in skus if isinstance(found := self.products[sku], Listed)}
        return self.store.levels([Bucket(sku, n) for sku, found in listed.items() for n in found.bucket_numbers()])

    def _allocate(self, skus: Collection[str], levels: Levels) -> tuple[Shortage, ...]:
        shortages = []
        for line in self.lines:
            if line.sku not in skus:
                continue
            available = {bucket.number: level.available for bucket, level in levels.items() if bucket.sku == line.sku}
            self.allocations[line.sku] = stock.allocate(line.quantity, available, self.randomness)
            if not self.allocations[line.sku]:
                shortages.append(Shortage(line.sku, line.quantity, sum(available.values())))
        return tuple(shortages)
