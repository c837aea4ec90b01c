"""These are the checks of the audit, and the differences that they find."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple


class Check(NamedTuple):
    invariants: tuple[int, ...]
    """These are their numbers, as reports of failures name them."""
    meaning: str


CHECKS: Final = {
    "streams": Check((6,), "Versions are contiguous from 1, every event is readable, where it belongs, its id unique"),
    "lives": Check((2, 3), "A reservation has at most one end, none expires while it is paid, its events agree"),
    "actors": Check((18,), "Each event of an administrator names one, since events name who brought them about"),
    "states": Check((5, 6), "Each stored state is its events' fold, at their last version, and due if it owes"),
    "stock": Check((1,), "Each bucket is what its events say, none is negative, all add up to what came in"),
    "limits": Check((17,), "What counts towards each customer's limits is what the customer's reservations say"),
    "payments": Check(
        (3, 5, 13, 15), "Each charge, refund and dispute has its purchase, alike, or was given back, and reverse"
    ),
    "due": Check((13, 14), "Nothing that is owed is overdue: to publish, to expire, to settle"),
    "heads": Check((9, 11), "The read model has applied every stream to its end, from the same bytes"),
    "products": Check((12,), "Products in the read model are the fold"),
    "categories": Check((12,), "Each category in the read model has as many products for sale as the fold"),
    "reservations": Check((12,), "Reservations in the read model are the fold"),
    "purchases": Check((12,), "Purchases in the read model are the fold"),
    "refunds": Check((12, 15), "Refunds in the read model are the fold, and never more than was paid or bought"),
    "disputes": Check((12, 15), "Disputes in the read model are the fold"),
    "sales_daily": Check((12,), "Daily sales in the read model are the fold"),
    "sales_monthly": Check((12,), "Monthly sales in the read model are the fold"),
    "archive": Check((11, 12), "The archive holds every event with the same bytes, and no other"),
}
ABSENT: Final = "absent"


@dataclass(frozen=True)
class Difference:
    check: str
    subject: str
    """The subject is a stream, bucket, payment intent, row or event."""
    what: str
    expected: Any
    found: Any

    def values(self) -> dict[str, Any]:
        return {"subject": self.subject, "what": self.what, "expected": self.expected, "found": self.found}

    @property
    def identity(self) -> tuple[str, str, str]:
        """The identity is the same in another look, even if the values have moved on meanwhile."""
        return self.check, self.subject, self.what


@dataclass
class Findings:
    examined: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def add(self, check: str, differences: Iterable[Difference] = (), *, examined: int = 1) -> None:
        self.examined[check] += examined
        self.differences += differences

    def of(self, check: str) -> list[Difference]:
        return [difference for difference in self.differences if difference.check == check]

    def seen_again(self, earlier: "Findings") -> "Findings":
        """Drops the differences that the earlier look did not see: they were in flight."""
        known = {difference.identity for difference in earlier.differences}
        return Findings(self.examined, [each for each in self.differences if each.identity in known])


def compare(
    check: str, subject: str, expected: Mapping[str, Any] | None, found: Mapping[str, Any] | None
) -> Iterator[Difference]:
    """Compares field by field. Fields that only `found` has are ignored."""
    if expected is None or found is None:
        if expected is not found:
            yield Difference(check, subject, "presence", expected or ABSENT, found or ABSENT)
        return
    for name, value in expected.items():
        if found.get(name, ABSENT) != value:
            yield Difference(check, subject, name, value, found.get(name, ABSENT))
