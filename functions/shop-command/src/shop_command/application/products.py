"""An administrator's commands: a product, its price and its stock."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from shop_command.application.journal import Journal
from shop_command.application.request import Key, Request
from shop_command.domain import product
from shop_command.domain.errors import ProductError
from shop_command.domain.product import Command, ListProduct, Product, ReceiveStock, RedistributeStock, Reprice, Retire
from shop_command.domain.stock import Bucket
from shop_command.ports import ContentionError, KeyUsedError, StockShortError, VersionConflictError
from shop_shared.envelope import Envelope
from shop_shared.values import BUCKETS_MAX, Price

ROUNDS_MAX: Final = 5
"""How often a command decides anew because another one was first."""
REDISTRIBUTION_ROUNDS_MAX: Final = 10
"""How often stock is redistributed anew because customers were first. After each round it is content with half."""

_Errors = tuple[type[Exception], ...]
_OVERTAKEN: Final[_Errors] = (VersionConflictError, KeyUsedError)


@dataclass(frozen=True)
class Products:
    journal: Journal
    randomness: Random

    def list_product(self, request: Request, command: ListProduct) -> Envelope:
        body = {name: value for name, value in vars(command).items() if (name, value) != ("category", None)}
        return self._run(request, command, Key.of(request, "list-product", **body))

    def reprice(self, request: Request, sku: str, price: Price) -> Envelope:
        return self._run(request, Reprice(sku, price), Key.of(request, "reprice", sku=sku, price=price))

    def receive_stock(self, request: Request, sku: str, quantity: int) -> Envelope:
        command = ReceiveStock(sku, quantity, first_bucket=self.randomness.randrange(BUCKETS_MAX))
        return self._run(request, command, Key.of(request, "receive-stock", sku=sku, quantity=quantity))

    def redistribute_stock(self, request: Request, sku: str, stock_buckets: int) -> Envelope:
        """One transaction moves what is available. Customers who buy meanwhile lose nothing by it, nor wait for it."""

        def command(state: Product | None, rounds: int) -> RedistributeStock:
            buckets = [Bucket(sku, number) for number in product.listed(sku, state).bucket_numbers()]
            levels = self.journal.store.levels(buckets)
            available = {bucket.number: level.available for bucket, level in levels.items()}
            return RedistributeStock(sku, stock_buckets, available, halvings=rounds)

        key = Key.of(request, "redistribute-stock", sku=sku, stock_buckets=stock_buckets)
        overtaken = (*_OVERTAKEN, StockShortError, ContentionError)
        return self._decide(request, sku, command, key, overtaken=overtaken, rounds_max=REDISTRIBUTION_ROUNDS_MAX)

    def retire(self, request: Request, sku: str) -> Envelope:
        return self._run(request, Retire(sku), Key.of(request, "retire", sku=sku))

    def _run(self, request: Request, command: Command, key: Key) -> Envelope:
        return self._decide(request, command.sku, lambda _state, _rounds: command, key)

    def _decide(
        self,
        request: Request,
        sku: str,
        command: Callable[[Product | None, int], Command],
        key: Key,
        *,
        overtaken: _Errors = _OVERTAKEN,
        rounds_max: int = ROUNDS_MAX,
    ) -> Envelope:
        """`command` is made from the state and the number of rounds that were lost."""
        stream = product.stream(sku)
        for rounds in range(rounds_max):
            use = self.journal.store.key_use(key.id)
            if use is not None:
                key.check(use)
                return self.journal.store.events(use.stream_id, use.version)[0]
            loaded = self.journal.load(stream)
            try:
                decided = product.decide(command(loaded.state, rounds), loaded.state)
                return self.journal.append(stream, loaded, decided, request, now=self.journal.now(), key=key)
            except overtaken:
                continue
            except ProductError:
                # The same request, sent twice at once, may have been quicker: then what it did is no reason to refuse.
                if self.journal.store.key_use(key.id) is None:
                    raise
        raise ContentionError
