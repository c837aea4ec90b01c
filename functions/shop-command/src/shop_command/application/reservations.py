"""Placing a reservation: all lines are held, or none."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from shop_command.application.journal import Journal, snapshot
from shop_command.application.request import IdempotencyKeyReusedError, Request
from shop_command.domain import product, reservation, stock
from shop_command.domain.errors import OutOfStockError, Shortage
from shop_command.domain.product import Listed, Product
from shop_command.domain.reservation import PlaceReservation, RequestedLine
from shop_command.domain.stock import Bucket
from shop_command.domain.stream import Snapshot
from shop_command.ports import ContentionError, StockShortError, VersionConflictError
from shop_shared import Envelope
from shop_shared.events import ReservationPlaced
from shop_shared.values import Allocation

ROUNDS_MAX: Final = 5
"""The first round takes from buckets chosen blindly; each further one reads the buckets that had too little, because
others may have taken from them, or put back, since the round before."""

Allocations = Mapping[str, tuple[Allocation, ...]]


@dataclass(frozen=True)
class Line:
    sku: str
    quantity: int


@dataclass(frozen=True)
class Reservations:
    journal: Journal
    chance: Random
    hold_seconds: int

    def place(self, request: Request, lines: tuple[Line, ...]) -> Envelope:
        stream = reservation.stream(request.reservation_id())
        product_streams = {line.sku: product.stream(line.sku) for line in lines}
        stored = self.journal.store.states([stream.id, *(s.id for s in product_streams.values())])
        if stream.id in stored:
            return self._first_answer(stream.id, lines)
        products = {sku: snapshot(s, stored.get(s.id)).state for sku, s in product_streams.items()}
        allocations: Allocations = {line.sku: self._blindly(line, products[line.sku]) for line in lines}
        for _ in range(ROUNDS_MAX):
            now = self.journal.now()
            command = PlaceReservation(
                reservation_id=request.reservation_id(),
                customer_id=request.caller,
                lines=tuple(
                    RequestedLine(line.sku, line.quantity, products[line.sku], allocations[line.sku]) for line in lines
                ),
                expires_at=now + timedelta(seconds=self.hold_seconds),
            )
            decided = reservation.decide(command, None, now)
            try:
                return self.journal.append(stream, Snapshot(0, None), decided, request, now=now)
            except VersionConflictError:
                return self._first_answer(stream.id, lines)
            except StockShortError as short:
                short_skus = {bucket.sku for bucket in short.buckets}
                allocations = {**allocations, **self._from_levels(lines, short_skus, products)}
        raise ContentionError

    def _first_answer(self, stream_id: str, lines: tuple[Line, ...]) -> Envelope:
        placed = self.journal.store.events(stream_id)[0]
        assert isinstance(placed.data, ReservationPlaced), placed.type  # noqa: S101 - what every reservation begins with
        if tuple(Line(line.sku, line.quantity) for line in placed.data.lines) != lines:
            raise IdempotencyKeyReusedError
        return placed

    def _blindly(self, line: Line, of: Product | None) -> tuple[Allocation, ...]:
        if not isinstance(of, Listed):
            return ()  # the decider refuses it
        return (Allocation(bucket=self.chance.randrange(of.stock_buckets), quantity=line.quantity),)

    def _from_levels(
        self, lines: tuple[Line, ...], skus: Collection[str], products: Mapping[str, Product | None]
    ) -> Allocations:
        """Raises OutOfStockError only where all buckets of a product together have too little."""
        buckets = [
            Bucket(sku, number)
            for sku in skus
            if isinstance(listed := products[sku], Listed)
            for number in range(listed.stock_buckets)
        ]
        levels = self.journal.store.available(buckets)
        allocations: dict[str, tuple[Allocation, ...]] = {}
        shortages = []
        for line in lines:
            if line.sku not in skus:
                continue
            available = {bucket.number: level for bucket, level in levels.items() if bucket.sku == line.sku}
            allocations[line.sku] = stock.allocate(line.quantity, available, self.chance)
            if not allocations[line.sku]:
                shortages.append(Shortage(line.sku, line.quantity, sum(available.values())))
        if shortages:
            raise OutOfStockError(tuple(shortages))
        return allocations
