"""Work is done by several threads."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from msgspec import Struct

from shop_observability.tracing import carried

Item = TypeVar("Item")
Result = TypeVar("Result")
Aside = TypeVar("Aside")


class Threads(Struct, frozen=True):
    number_max: int

    def beside(self, aside: Callable[[], Aside], do: Callable[[], Result]) -> tuple[Aside, Result]:
        with ThreadPoolExecutor(1) as thread:
            other = thread.submit(carried(lambda _: aside()), None)
            result = do()
        return other.result(), result

    def map(self, do: Callable[[Item], Result], items: Sequence[Item]) -> Iterable[Result]:
        if not items:
            return []
        with ThreadPoolExecutor(min(self.number_max, len(items))) as threads:
            return [*threads.map(carried(do), items)]
