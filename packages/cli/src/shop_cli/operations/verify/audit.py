"""Reads everything once, then judges it. Meant for a quiet shop: what moves while it is read shows as a difference,
which a second look drops.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from shop_cli.operations.verify import actors, limits, payments, products, reservations, stock, streams
from shop_cli.operations.verify.facts import EXPECTED, FOUND, FactTable
from shop_cli.operations.verify.findings import ABSENT, Difference, Findings, compare
from shop_cli.operations.verify.streams import EVENT_PREFIX, StoredEvent
from shop_shared.stored import event_text

TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "heads": ("stream_id",),
    "log": ("stream_id", "stream_version"),
    "products": ("sku",),
    "categories": ("category",),
    "reservations": ("reservation_id",),
    "purchases": ("purchase_id",),
    "refunds": ("purchase_id", "refund"),
    "disputes": ("purchase_id", "dispute_id"),
    "sales_daily": ("day", "sku", "currency"),
    "sales_monthly": ("month", "sku", "currency"),
}
"""These are the tables of the read model, with the columns that name a row."""
SETTLED_WITHIN_SECONDS: Final = 60
"""The outcome of a payment may be unknown this long before anybody owes to ask for it: a request may still run."""
NO_SALES: Final = {"units": 0, "revenue_minor": 0}
REPORT_EVERY: Final = 1_000


class Sources(Protocol):
    """The sources are a shop's systems, each of which is read in pages."""

    def items(self) -> Iterator[Mapping[str, Any]]:
        """Yields the event store's items as plain values."""

    def due(self) -> Iterator[Mapping[str, Any]]:
        """Yields the entries of its index `due`."""

    def rows(self, table: str) -> Iterator[Mapping[str, Any]]:
        """Yields the rows of one of TABLES; moments and days are texts."""

    def archived(self) -> Iterator[bytes]:
        """Yields the lines of the archive."""

    def paid(self) -> Iterator[Mapping[str, Any]]:
        """Yields the provider's payment intents, charges, refunds and disputes."""


@dataclass
class Audit:
    now: datetime
    grace_seconds: float
    findings: Findings = field(default_factory=Findings)
    ledger: stock.Ledger = field(default_factory=stock.Ledger)
    categories: Counter[str] = field(default_factory=Counter)
    buckets: dict[stock.Bucket, Mapping[str, int]] = field(default_factory=dict)
    named_since: datetime | None = None
    """This is when the first event of all that says who brought it about was made."""

    @property
    def owed_before(self) -> datetime:
        return self.now - timedelta(seconds=self.grace_seconds)

    def run(self, sources: Sources, report: Callable[[str], None]) -> Findings:
        with FactTable() as facts:
            # Downstream systems are read first, so that nothing there is newer than the store that it is compared with.
            for line in _counted(sources.archived(), "archived events", report):
                self._archived(facts, line)
            for table, names in TABLES.items():
                for row in _counted(sources.rows(table), f"rows of {table}", report):
                    facts.add(table, "/".join(str(row[name]) for name in names), FOUND, row)
            for paid in _counted(sources.paid(), "payments", report):
                intent = paid["id"] if paid["object"] == "payment_intent" else paid["payment_intent"]
                facts.add("payments", str(intent), FOUND, paid)
            for entry in sources.due():
                self._due(entry)
            for item in _counted(sources.items(), "items of the event store", report):
                self._item(facts, item)
            for stream_id, items in _counted(facts.groups("item"), "streams folded", report):
                self._stream(facts, stream_id, items)
            report("comparing")
            self._judge(facts)
        return self.findings

    def _archived(self, facts: FactTable, line: bytes) -> None:
        try:
            event = json.loads(line)
            event_id, place = str(event["id"]), f"{event['subject']}/{event['streamversion']}"
        except (ValueError, KeyError, TypeError):
            self._differ("archive", _digest(line), "line", "an event", line[:200].decode(errors="replace"))
        else:
            facts.add("archive", event_id, FOUND, {"event": place, "digest": _digest(line)})

    def _due(self, entry: Mapping[str, Any]) -> None:
        overdue = datetime.fromisoformat(entry["due_at"]) < self.owed_before
        found = [Difference("due", f"{entry['pk']}/{entry['sk']}", "due_at", "done", entry["due_at"])]
        self.findings.add("due", found if overdue else ())

    def _item(self, facts: FactTable, item: Mapping[str, Any]) -> None:
        match item["pk"].split("#"):
            case ["stock", sku, number] if number.isdigit() and item["sk"] == "state":
                self.buckets[sku, int(number)] = {name: item.get(name, 0) for name in stock.COUNTERS}
            case [stream_id] if stream_id.startswith(("product-", "reservation-")):
                facts.add("item", stream_id, item["sk"], item)
            case ["key", _]:
                pass  # a used idempotency key
            case ["provider", "events"]:
                pass  # how far the provider's events were worked off
            case ["customer", *_]:
                facts.add("limits", f"{item['pk']}/{item['sk']}", FOUND, item)
            case _:
                self._differ("streams", f"{item['pk']}/{item['sk']}", "item", ABSENT, "an item of no known kind")

    def _stream(self, facts: FactTable, stream_id: str, items: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        stored = []
        for sk, item in items:
            if sk.startswith(EVENT_PREFIX):
                stored.append(StoredEvent(sk, item.get("version", 0), item.get("type", ""), _text(stream_id, item)))
            elif sk != "state":
                self._differ("streams", f"{stream_id}/{sk}", "item", ABSENT, "an item of no known kind")
        events, differences = streams.read(stream_id, stored)
        self.findings.add("streams", differences, examined=len(stored))
        for each in stored:
            place, digest = f"{stream_id}/{each.version}", _digest(each.text.encode())
            facts.add("log", place, EXPECTED, {"digest": digest})
            event_id = str(_parsed(each.text).get("id"))
            facts.add("archive", event_id, EXPECTED, {"event": place, "digest": digest})
        self._actors(facts, stream_id, events)
        facts.add("heads", stream_id, EXPECTED, {"stream_version": len(stored)})
        state = dict(items).get("state")
        if stream_id.startswith("product-"):
            self._product(facts, stream_id, events, state)
        else:
            self._reservation(facts, stream_id, events, state)

    def _actors(self, facts: FactTable, stream_id: str, events: Sequence[streams.Event]) -> None:
        for event in events:
            if "authtype" in event:
                time = datetime.fromisoformat(event["time"])
                self.named_since = min(time, self.named_since or time)
            if event["type"].startswith(actors.BY_ADMINISTRATORS):
                made = {name: event[name] for name in ("time", "authtype", "authid") if name in event}
                facts.add("actors", f"{stream_id}/{event['streamversion']}", FOUND, made)

    def _product(
        self, facts: FactTable, stream_id: str, events: Sequence[streams.Event], state: Mapping[str, Any] | None
    ) -> None:
        product, differences = products.fold(stream_id, events, self.ledger)
        self.findings.add("lives", differences)
        self._state(stream_id, {"version": product.version, **product.state()}, state, owed=False)
        facts.add("products", product.sku, EXPECTED, product.row())
        if product.category and product.status == "listed":
            self.categories[product.category] += 1

    def _reservation(
        self, facts: FactTable, stream_id: str, events: Sequence[streams.Event], state: Mapping[str, Any] | None
    ) -> None:
        reservation, differences = reservations.fold(stream_id, events, self.ledger)
        self.findings.add("lives", differences)
        expected = {"version": reservation.version, **reservation.state()}
        self._state(stream_id, expected, state, owed=reservation.is_owed_something)
        facts.add("reservations", reservation.reservation_id, EXPECTED, reservation.row())
        if purchase := reservation.purchase_row():
            facts.add("purchases", reservation.reservation_id, EXPECTED, purchase)
        for refund, row in reservation.refund_rows():
            facts.add("refunds", refund, EXPECTED, row)
        for dispute, row in reservation.dispute_rows():
            facts.add("disputes", dispute, EXPECTED, row)
        for intent, payment in reservation.payments.items():
            facts.add("payments", intent, EXPECTED, payment)
        customer = f"customer#{reservation.terms.get('customer_id')}"
        if reservation.is_open:
            counted = {"reservation_id": reservation.reservation_id, "units": reservation.units()}
            facts.add("limits", f"{customer}/state", EXPECTED, counted)
        for moment in reservation.attempted_at:
            facts.add("limits", f"{customer}/cards#{moment[:13]}:00Z", EXPECTED, reservation.reservation_id)

    def _state(
        self, stream_id: str, expected: Mapping[str, Any], item: Mapping[str, Any] | None, *, owed: bool
    ) -> None:
        found = None
        if item is not None:
            state = _parsed(item.get("state", ""))
            terms = state.get("terms")
            found = {**(terms if isinstance(terms, dict) else {}), **state, "version": item.get("version")}
        self.findings.add("states", compare("states", stream_id, expected, found))
        if owed and item is not None and not ("due_at" in item and "due_shard" in item):
            self._differ("states", stream_id, "due", "in the index, until it is settled", ABSENT)

    def _judge(self, facts: FactTable) -> None:
        buckets = len(self.ledger.buckets.keys() | self.buckets.keys())
        self.findings.add("stock", stock.differences(self.ledger, self.buckets), examined=buckets)
        for key, _, events in facts.pairs("actors"):
            for event in events:
                self.findings.add("actors", actors.differences(key, event, self.named_since))
        for key, expected, found in facts.pairs("limits"):
            self.findings.add("limits", limits.differences(key, expected, found))
        for intent, expected, found in facts.pairs("payments"):
            repeated = _only("payments", intent, "reservations", expected)
            asked_before = self.owed_before - timedelta(seconds=SETTLED_WITHIN_SECONDS)
            judged = payments.differences(intent, _first(expected), found, asked_before)
            self.findings.add("payments", [*repeated, *judged])
        for key, expected, found in facts.pairs("heads"):
            self.findings.add("heads", compare("heads", key, _first(expected), _first(found)))
        for key, expected, found in facts.pairs("log"):
            # Old rows may be dropped from the log: the heads tell what was applied.
            self.findings.add("heads", compare("heads", key, _first(expected), _first(found)) if found else ())
        self._judge_rows(facts)
        others = {}
        for event_id, expected, found in facts.pairs("archive"):
            self.findings.add("streams", _only("streams", event_id, "events with this id", expected), examined=0)
            for each in found or [None]:
                self.findings.add("archive", compare("archive", event_id, _first(expected), each))
            if found and not expected:
                others[found[0]["event"]] = event_id
        for event_id, expected, _ in facts.pairs("archive") if others else ():
            if expected and (place := expected[0]["event"]) in others:
                self._differ("archive", place, "id", event_id, others[place])

    def _judge_rows(self, facts: FactTable) -> None:
        available = self.ledger.available()
        for category, count in self.categories.items():
            facts.add("categories", category, EXPECTED, {"products": count})
        for key, row in self.ledger.sales():
            facts.add("sales_daily", key, EXPECTED, row)
        for key, row in self.ledger.monthly_sales():
            facts.add("sales_monthly", key, EXPECTED, row)
        for table in (name for name in TABLES if name not in ("heads", "log")):
            for key, expected, found in facts.pairs(table):
                row, shown = _first(expected), _first(found)
                if row is not None and table == "products":
                    row["available"] = max(0, available[key])
                if table in ("sales_daily", "sales_monthly"):
                    row, shown = row or NO_SALES, shown or NO_SALES
                self.findings.add(table, compare(table, key, row, shown))

    def _differ(self, check: str, subject: str, what: str, expected: Any, found: Any) -> None:
        self.findings.differences.append(Difference(check, subject, what, expected, found))


def _counted(entries: Iterable[Any], what: str, report: Callable[[str], None]) -> Iterator[Any]:
    for count, entry in enumerate(entries):
        if count % REPORT_EVERY == 0:
            report(f"{count:,} {what}")
        yield entry


def _only(check: str, subject: str, what: str, expected: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    if len(expected) > 1:
        yield Difference(check, subject, what, 1, len(expected))


def _first(values: Sequence[Any]) -> Any:
    return values[0] if values else None


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(stream_id: str, item: Mapping[str, Any]) -> str:
    """Returns the whole event, or what there is of it, which cannot be read then."""
    try:
        return event_text({"pk": stream_id, **item})
    except (KeyError, ValueError):
        return str(item.get("event", ""))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
