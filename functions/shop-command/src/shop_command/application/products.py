"""An administrator's commands: listing a product and receiving stock."""

from dataclasses import dataclass
from random import Random
from typing import Final

from shop_command.application.journal import Journal
from shop_command.application.request import Key, Request
from shop_command.domain import product
from shop_command.domain.errors import ProductError
from shop_command.domain.product import ListProduct, ReceiveStock
from shop_command.ports import ContentionError, KeyUsedError, VersionConflictError
from shop_shared import Envelope
from shop_shared.values import BUCKETS_MAX

ROUNDS_MAX: Final = 5
"""How often a command decides anew because another one was first."""


@dataclass(frozen=True)
class Products:
    journal: Journal
    chance: Random

    def list_product(self, request: Request, command: ListProduct) -> Envelope:
        return self._run(request, command, Key.of(request, "list-product", **vars(command)))

    def receive_stock(self, request: Request, sku: str, quantity: int) -> Envelope:
        command = ReceiveStock(sku, quantity, first_bucket=self.chance.randrange(BUCKETS_MAX))
        return self._run(request, command, Key.of(request, "receive-stock", sku=sku, quantity=quantity))

    def _run(self, request: Request, command: ListProduct | ReceiveStock, key: Key) -> Envelope:
        stream = product.stream(command.sku)
        for _ in range(ROUNDS_MAX):
            use = self.journal.store.key_use(key.id)
            if use is not None:
                key.check(use)
                return self.journal.store.events(use.stream_id, use.version)[0]
            loaded = self.journal.load(stream)
            try:
                decided = product.decide(command, loaded.state)
                return self.journal.append(stream, loaded, decided, request, now=self.journal.now(), key=key)
            except (VersionConflictError, KeyUsedError):
                continue
            except ProductError:
                # The same request, sent twice at once, may have been quicker: then what it did is no reason to refuse.
                if self.journal.store.key_use(key.id) is None:
                    raise
        raise ContentionError
