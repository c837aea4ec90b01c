"""Each named query against rows worked out by hand, on both forms of the archive, as the local Athena runs it."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shop_cli.local import emulator
from shop_cli.local.home import CHECKOUT
from shop_shared import events
from shop_shared.envelope import Envelope, encode
from shop_shared.events import EventData
from shop_shared.registry import dataschema

QUERIES = {file.stem: file.read_text() for file in sorted((CHECKOUT / "infra" / "queries").glob("*.sql"))}
COLUMNS = json.loads((CHECKOUT / "infra" / "events-table.json").read_text())["columns"]
TABLE = {
    "Parameters": {"classification": "json"},
    "PartitionKeys": [{"Name": "date", "Type": "string"}, {"Name": "type", "Type": "string"}],
    "StorageDescriptor": {"Columns": COLUMNS},
}
CUSTOMER = "customer-1"
ADMINISTRATOR = "a0e5a6e2-1f0f-4c58-8a7e-6a9d3f2b4c77"
EVERY_EVENT = ("acts-of-an-administrator", "stream-history")
"""These show what happened, also where a restored table has another event for the same version."""

Rows = list[list[str]]


def uuid(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


@dataclass
class Archive:
    """Lines are kept by the day on which they arrived."""

    lines: dict[str, list[bytes]]
    ids: int = 0

    def add(self, when: str, stream: str, version: int, data: EventData, administrator: str | None = None) -> bytes:
        """`when` is a day of November 2026 and a time of day, such as 20 10:00:30.25."""
        day, time_of_day = when.split()
        self.ids += 1
        line = encode(
            Envelope(
                id=uuid(self.ids),
                type=data.TYPE,
                subject=stream,
                partitionkey=stream,
                time=datetime.fromisoformat(f"2026-11-{day}T{time_of_day}").replace(tzinfo=UTC),
                dataschema=dataschema(type(data)),
                streamversion=version,
                correlationid="correlation",
                causationid="causation",
                authtype="app_user",
                authid=administrator,
                data=data,
            )
        )
        self.put(f"2026-11-{day}", line)
        return line

    def put(self, day: str, line: bytes) -> None:
        self.lines.setdefault(day, []).append(line)

    def write(self, folder: Path, *, begun_days_before: int = 0) -> list[str]:
        """Firehose files an object under the day on which its first record arrived."""
        files = []
        for arrived, lines in self.lines.items():
            day = date.fromisoformat(arrived) - timedelta(days=begun_days_before)
            file = folder / f"date={day}" / "object.json"
            file.parent.mkdir()
            file.write_bytes(b"\n".join(lines) + b"\n")
            files.append(str(file))
        return files


def lines_of(*items: tuple[str, int, int]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "sku": sku,
            "quantity": quantity,
            "unit_price_minor": price,
            "allocations": ({"bucket": 0, "quantity": quantity},),
        }
        for sku, quantity, price in items
    )


@dataclass
class Buyer:
    """One reservation, told event by event."""

    archive: Archive
    number: int
    items: tuple[tuple[str, int, int], ...] = (("MUG", 2, 1250),)
    currency: str = "EUR"
    version: int = 0

    def _add(self, when: str, model: type[EventData], **fields: Any) -> bytes:
        self.version += 1
        data = model.model_validate({"reservation_id": uuid(self.number), **fields})
        return self.archive.add(when, f"reservation-{uuid(self.number)}", self.version, data)

    @property
    def _money(self) -> dict[str, Any]:
        amount = sum(quantity * price for _, quantity, price in self.items)
        return {"amount_minor": amount, "currency": self.currency}

    def places(self, when: str) -> bytes:
        later = datetime(2026, 12, 1, tzinfo=UTC)
        lines = lines_of(*self.items)
        return self._add(
            when, events.ReservationPlaced, customer_id=CUSTOMER, lines=lines, total=self._money, expires_at=later
        )

    def is_declined(self, when: str, code: str, decline_code: str | None = None) -> bytes:
        self._add(when, events.PaymentRequested, attempt=1, payment_intent_id="pi_1", amount=self._money)
        reason = {"code": code, "decline_code": decline_code}
        return self._add(when, events.PaymentDeclined, attempt=1, payment_intent_id="pi_1", **reason)

    def buys(self, when: str) -> bytes:
        purchase = {
            "purchase_id": uuid(self.number),
            "customer_id": CUSTOMER,
            "attempt": 1,
            "payment_intent_id": "pi_1",
        }
        lines = lines_of(*self.items)
        return self._add(when, events.PurchaseConfirmed, **purchase, lines=lines, total=self._money)

    def is_refunded(self, when: str) -> bytes:
        purchase = {"purchase_id": uuid(self.number), "customer_id": CUSTOMER, "refund_id": "re_1"}
        because = {"reason": "requested_by_customer", "lines": lines_of(*self.items), "total": self._money}
        return self._add(when, events.PurchaseRefundedV1, **purchase, **because)

    def gets_back(self, when: str, refund: int, **line: int) -> bytes:
        """Part of the first line is refunded, as later releases write it."""
        purchase = {"purchase_id": uuid(self.number), "customer_id": CUSTOMER, "refund_id": f"re_{refund}"}
        amount = {"amount_minor": line["amount_minor"], "currency": self.currency}
        part = {"refund": refund, "amount": amount, "left_minor": 0, "lines": ({"sku": self.items[0][0], **line},)}
        return self._add(when, events.PurchaseRefunded, **purchase, **part, payment_intent_id="pi_1")

    def gets_nothing_after_all(self, when: str, refund: int, amount_minor: int) -> bytes:
        money = {"amount": {"amount_minor": amount_minor, "currency": self.currency}, "code": "failed"}
        line = {"sku": self.items[0][0], "quantity": 0, "amount_minor": amount_minor}
        payment = {"purchase_id": uuid(self.number), "payment_intent_id": "pi_1", "refund": refund}
        return self._add(when, events.PurchaseRefundFailed, **payment, **money, lines=(line,))

    def is_disputed(self, when: str, status: str, amount_minor: int) -> bytes:
        payment = {"purchase_id": uuid(self.number), "payment_intent_id": "pi_1", "dispute_id": "du_1"}
        line = {"sku": self.items[0][0], "quantity": 0, "amount_minor": amount_minor}
        amount = {"amount_minor": amount_minor, "currency": self.currency}
        return self._add(when, events.PurchaseDisputeClosed, **payment, status=status, amount=amount, lines=(line,))

    def cancels(self, when: str) -> bytes:
        return self._add(when, events.ReservationCancelled, lines=lines_of(*self.items), reason="customer")

    def expires(self, when: str) -> bytes:
        return self._add(when, events.ReservationExpired, lines=lines_of(*self.items))


def administrators_acts(archive: Archive) -> None:
    archive.add("19 08:00:00", "product-MUG", 1, events.ProductRetired(sku="MUG"), ADMINISTRATOR)
    relisted = archive.add("21 08:00:00", "product-MUG", 2, events.ProductRelisted(sku="MUG"), ADMINISTRATOR)
    archive.add("21 09:00:00", "product-MUG", 3, events.ProductRetired(sku="MUG"), "somebody-else")
    archive.put("2026-11-22", relisted)


def two_days_abroad(archive: Archive) -> None:
    """Two clocks are not UTC's: one is a day ahead of it, and one a day behind."""
    eastern = Buyer(archive, 110)
    eastern.places("23 23:00:00")
    eastern.is_declined("23 23:00:02", "card_declined")
    eastern.buys("23 23:00:05")
    western = Buyer(archive, 111)
    western.places("24 01:00:00")
    western.expires("24 01:15:00")
    for day, utc, local, offset in (
        ("2026-11-23", b"2026-11-23T23:", b"2026-11-24T04:", b"+05:00"),
        ("2026-11-24", b"2026-11-24T01:", b"2026-11-23T17:", b"-08:00"),
    ):
        moment = re.compile(rb'"time":"' + utc + rb'([^"]*)Z"')
        archive.lines[day] = [
            moment.sub(rb'"time":"' + local + rb"\1" + offset + b'"', it) for it in archive.lines[day]
        ]
        assert all(offset in line for line in archive.lines[day])


def broken_rows(archive: Archive, sold: bytes) -> None:
    """The archive takes them as they came, and only their own rows suffer."""
    for number, broken in enumerate(
        ({"time": "yesterday"}, {"time": 5}, {"time": "2026-11-20t10:00:30z"}, {"data": {"lines": 5}}, {"data": 5})
    ):
        event = json.loads(sold) | {"id": uuid(800 + number), "subject": f"reservation-{uuid(800 + number)}"} | broken
        archive.put("2026-11-30", json.dumps(event).encode())


def three_days() -> Archive:
    archive = Archive({})
    administrators_acts(archive)
    before = Buyer(archive, 100)
    before.places("19 23:59:50")
    before.buys("20 00:00:10")
    quick = Buyer(archive, 101)
    quick.places("20 10:00:00")
    sold = quick.buys("20 10:00:30.25")
    persistent = Buyer(archive, 102, (("MUG", 1, 1250), ("TEA", 3, 300)))
    persistent.places("20 10:00:00")
    persistent.is_declined("20 10:01:00", "card_declined", "insufficient_funds")
    persistent.is_declined("20 10:01:30", "card_declined", "insufficient_funds")
    persistent.buys("20 10:02:00")
    forgetful = Buyer(archive, 103)
    forgetful.places("20 11:00:00")
    forgetful.expires("20 11:15:00")
    unlucky = Buyer(archive, 104)
    unlucky.places("20 23:50:00")
    declined = unlucky.is_declined("20 23:55:00", "card_declined", "generic_decline")
    unlucky.is_declined("20 23:58:00", "expired_card")
    unlucky.expires("21 00:05:00")
    undecided = Buyer(archive, 105)
    undecided.places("20 12:00:00")
    undecided.cancels("20 12:01:00")
    Buyer(archive, 106).places("20 13:00:00")
    regretful = Buyer(archive, 107)
    regretful.places("21 09:00:00")
    regretful.buys("21 09:00:10")
    regretful.is_refunded("22 09:00:00")
    american = Buyer(archive, 108, (("MUG", 1, 1500),), "USD")
    american.places("21 09:00:00")
    american.buys("21 09:00:03")
    # The table was restored to a moment before this purchase, and then the reservation was bought again.
    lost = Buyer(archive, 109, (("MUG", 7, 1250),))
    lost.places("19 10:00:00")
    lost.buys("19 10:00:01")
    again = Buyer(archive, 109, (("MUG", 1, 1250),), version=1)
    again.buys("19 10:00:07")
    american.gets_back("22 09:00:00", 1, quantity=0, amount_minor=700)
    american.gets_back("22 10:00:00", 2, quantity=1, amount_minor=800)
    american.gets_nothing_after_all("22 11:00:00", 1, 700)
    two_days_abroad(archive)
    quick.is_disputed("25 09:00:00", "lost", 1_250)
    american.is_disputed("25 09:00:00", "lost", 700)
    american.is_disputed("26 09:00:00", "won", 700)
    broken_rows(archive, sold)
    # Firehose repeats: at once, and after midnight. A newer shop adds types and fields.
    archive.put("2026-11-20", sold)
    archive.put("2026-11-21", sold)
    archive.put("2026-11-21", declined)
    gift = json.loads(sold) | {"id": uuid(900), "type": "shop.gift.given.v1", "data": {"to": ["a friend"]}}
    archive.put("2026-11-21", json.dumps(gift).encode())
    return archive


EXPECTED: list[tuple[str, dict[str, str], Rows]] = [
    (
        "revenue-by-day-and-product",
        {"from": "2026-11-20", "to": "2026-11-21"},
        [
            ["2026-11-20", "MUG", "EUR", "5", "6250"],
            ["2026-11-20", "TEA", "EUR", "3", "900"],
            ["2026-11-21", "MUG", "EUR", "2", "2500"],
            ["2026-11-21", "MUG", "USD", "1", "1500"],
        ],
    ),
    (
        "revenue-by-day-and-product",
        {"from": "2026-11-19", "to": "2026-11-19"},
        [["2026-11-19", "MUG", "EUR", "1", "1250"]],
    ),
    (
        "revenue-by-day-and-product",
        {"from": "2026-11-22", "to": "2026-11-22"},
        [["2026-11-22", "MUG", "EUR", "-2", "-2500"], ["2026-11-22", "MUG", "USD", "-1", "-800"]],
    ),
    (
        "revenue-by-day-and-product",
        {"from": "2026-11-25", "to": "2026-11-26"},
        [
            ["2026-11-25", "MUG", "EUR", "0", "-1250"],
            ["2026-11-25", "MUG", "USD", "0", "-700"],
            ["2026-11-26", "MUG", "USD", "0", "700"],
        ],
    ),
    (
        "conversion-from-reserved-to-purchased",
        {"from": "2026-11-20", "to": "2026-11-21"},
        [["2026-11-20", "6", "2", "1", "2", "1", "33.3"], ["2026-11-21", "2", "2", "0", "0", "0", "100.0"]],
    ),
    (
        "expiries-and-declines-by-cause",
        {"from": "2026-11-20", "to": "2026-11-20"},
        [
            ["declined", "insufficient_funds", "2", "1"],
            ["declined", "expired_card", "1", "1"],
            ["declined", "generic_decline", "1", "1"],
            ["expired", "expired_card", "1", "1"],
            ["expired", "no payment tried", "1", "1"],
        ],
    ),
    ("expiries-and-declines-by-cause", {"from": "2026-11-21", "to": "2026-11-22"}, []),
    (
        "revenue-by-day-and-product",
        {"from": "2026-11-23", "to": "2026-11-24"},
        [["2026-11-23", "MUG", "EUR", "2", "2500"]],
    ),
    (
        "conversion-from-reserved-to-purchased",
        {"from": "2026-11-23", "to": "2026-11-24"},
        [["2026-11-23", "1", "1", "0", "0", "0", "100.0"], ["2026-11-24", "1", "0", "0", "1", "0", "0.0"]],
    ),
    (
        "expiries-and-declines-by-cause",
        {"from": "2026-11-23", "to": "2026-11-23"},
        [["declined", "card_declined", "1", "1"]],
    ),
    (
        "expiries-and-declines-by-cause",
        {"from": "2026-11-24", "to": "2026-11-24"},
        [["expired", "no payment tried", "1", "1"]],
    ),
    (
        "time-from-reservation-to-purchase",
        {"from": "2026-11-23", "to": "2026-11-24"},
        [["2026-11-23", "1", "5.0", "5.0", "5.0", "5.0"]],
    ),
    (
        "time-from-reservation-to-purchase",
        {"from": "2026-11-19", "to": "2026-11-21"},
        [
            ["2026-11-19", "2", "7.0", "20.0", "20.0", "20.0"],
            ["2026-11-20", "2", "30.25", "120.0", "120.0", "120.0"],
            ["2026-11-21", "2", "3.0", "10.0", "10.0", "10.0"],
        ],
    ),
]


RecordedRun = Callable[[list[str]], list[tuple[list[str], Rows]]]


@pytest.fixture(scope="module", params=["lines of JSON", "Parquet by type", "objects begun at 23:55 of the day before"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    folder = tmp_path_factory.mktemp("archive")
    files = three_days().write(folder, begun_days_before=int("day before" in request.param))
    count = 0

    def run_all(queries: list[str]) -> list[tuple[list[str], Rows]]:
        nonlocal count
        count += 1
        parquet = str(folder / f"parquet-{count}") if request.param.startswith("Parquet") else ""
        return execute({"table": TABLE, "files": files, "parquet": parquet, "queries": queries})

    return run_all


def execute(asked: dict[str, Any]) -> list[tuple[list[str], Rows]]:
    command = [str(emulator.PYTHON), str(Path(__file__).with_name("run_queries.py"))]
    text = json.dumps(asked | {"launcher": str(emulator.LAUNCHER)})
    # Midnight is UTC's, wherever this runs.
    abroad = {**os.environ, "TZ": "Pacific/Kiritimati"}
    done = subprocess.run(command, input=text, env=abroad, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [(columns, rows) for columns, rows in json.loads(done.stdout)]


def filled(name: str, values: dict[str, str]) -> str:
    text = QUERIES[name]
    for parameter, value in values.items():
        text = text.replace(f"{{{parameter}}}", value)
    return text


def test_every_query_answers_what_was_worked_out_by_hand(run: RecordedRun) -> None:
    results = run([filled(name, values) for name, values, _ in EXPECTED])
    for (name, values, expected), (_, rows) in zip(EXPECTED, results, strict=True):
        assert rows == expected, (name, values)
    assert {name for name, _, _ in EXPECTED} | set(EVERY_EVENT) == set(QUERIES)


def test_a_streams_history_has_each_event_once_and_in_order(run: RecordedRun) -> None:
    days = {"from": "2026-11-20", "to": "2026-11-21"}
    [(columns, rows)] = run([filled("stream-history", {"stream": f"reservation-{uuid(104)}", **days})])
    assert columns == ["streamversion", "time", "type", "id", "data"]
    assert [(row[0], row[2]) for row in rows] == [
        ("1", "shop.reservation.placed.v1"),
        ("2", "shop.payment.requested.v1"),
        ("3", "shop.payment.declined.v1"),
        ("4", "shop.payment.requested.v1"),
        ("5", "shop.payment.declined.v1"),
        ("6", "shop.reservation.expired.v1"),
    ]
    assert rows[2][1] == "2026-11-20T23:55:00Z"
    assert json.loads(rows[2][4]) == {
        "reservation_id": uuid(104),
        "attempt": 1,
        "payment_intent_id": "pi_1",
        "code": "card_declined",
        "decline_code": "generic_decline",
    }


def test_a_streams_history_has_its_days_alone(run: RecordedRun) -> None:
    stream = {"stream": f"reservation-{uuid(104)}"}
    results = run([filled("stream-history", stream | {"from": day, "to": day}) for day in ("2026-11-20", "2026-11-21")])
    assert [[row[0] for row in rows] for _, rows in results] == [["1", "2", "3", "4", "5"], ["6"]]


def test_a_streams_history_shows_both_events_of_a_version(run: RecordedRun) -> None:
    values = {"stream": f"reservation-{uuid(109)}", "from": "2026-11-19", "to": "2026-11-19"}
    [(_, rows)] = run([filled("stream-history", values)])
    assert [row[0] for row in rows] == ["1", "2", "2"]
    assert len({row[3] for row in rows}) == 3


def test_the_acts_of_an_administrator_are_that_ones_own_of_those_days(run: RecordedRun) -> None:
    values = {"administrator": ADMINISTRATOR, "from": "2026-11-19", "to": "2026-11-22"}
    acts, later = run([filled(EVERY_EVENT[0], values), filled(EVERY_EVENT[0], values | {"from": "2026-11-20"})])
    assert [row[:4] for row in acts[1]] == [
        ["2026-11-19T08:00:00Z", "product-MUG", "1", "shop.product.retired.v1"],
        ["2026-11-21T08:00:00Z", "product-MUG", "2", "shop.product.relisted.v1"],
    ]
    assert later[1] == acts[1][1:]


def test_an_archive_without_objects_gives_no_rows() -> None:
    values = {"from": "2026-11-01", "to": "2026-11-30", "stream": "product-MUG", "administrator": ADMINISTRATOR}
    queries = [filled(name, values) for name in QUERIES]
    results = execute({"table": TABLE, "files": [], "parquet": "", "queries": queries})
    assert [rows for _, rows in results] == [[]] * len(QUERIES)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_every_query_counts_one_event_for_a_version_and_a_history_shows_each(name: str) -> None:
    assert QUERIES[name].startswith("-- ")
    keys = "id ORDER BY streamversion" if name in EVERY_EVENT else "subject, streamversion ORDER BY id DESC"
    assert f"row_number() OVER (PARTITION BY {keys}) AS delivery" in QUERIES[name]
    assert re.search(r"WHERE\s+delivery = 1", QUERIES[name])
    assert QUERIES[name].count("FROM events") == 1


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_every_query_is_bounded_by_day_and_reads_the_objects_of_the_day_before(name: str) -> None:
    """An object that was begun at 23:55 holds what happened after midnight."""
    assert "AND date >= CAST(CAST(CAST('{from}' AS date) - INTERVAL '1' DAY AS date) AS varchar)" in QUERIES[name]
    assert re.search(r"AND day BETWEEN|WHERE day BETWEEN", QUERIES[name])
