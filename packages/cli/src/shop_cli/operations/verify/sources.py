"""Reads a shop's systems, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, Final

import httpx
import psycopg
from psycopg.rows import dict_row

from shop_cli.errors import ShopError
from shop_cli.operations import archive
from shop_cli.target import Target

OBJECTS_AT_ONCE: Final = 4
"""Objects of the archive that are read, and in memory, together: each up to Firehose's 64 MiB."""
ROWS_PER_FETCH: Final = 2_000
SQL: Final = {
    "heads": "select stream_id, stream_version from shop.stream_head where stream_version > 0",
    "log": """
        select stream_id, stream_version, left(encode(sha256(convert_to(event, 'UTF8')), 'hex'), 32) as digest
        from shop.event_log
        """,
    "products": """
        select sku, name, description, category, images, price_minor, currency, available, status, version, listed_at
        from read_v1.products
        """,
    "reservations": """
        select reservation_id, customer_id, status, lines, total_minor, currency, placed_at, expires_at,
               payment_intent_id, version
        from read_v1.reservations
        """,
    "purchases": """
        select purchase_id, reservation_id, customer_id, status, lines, total_minor, currency, payment_intent_id,
               purchased_at, version, refunded_minor
        from read_v1.purchases
        """,
    "refunds": """
        select purchase_id, refund, refund_id, amount_minor, currency, reason, origin, refunded_at
        from read_v1.refunds
        """,
    "disputes": """
        select purchase_id, dispute_id, status, amount_minor, currency, reason, opened_at, closed_at
        from read_v1.disputes
        """,
    "sales_daily": "select day, sku, currency, units, revenue_minor from read_v1.sales_daily",
    "sales_monthly": "select month, sku, currency, units, revenue_minor from read_v1.sales_monthly",
}


@dataclass(frozen=True)
class ShopSources:
    client: Callable[[str], Any]
    table: str
    bucket: str
    database_url: str
    payment_url: str
    payment_api_key: str

    @classmethod
    def of(cls, target: Target, payment_url: str) -> ShopSources:
        provider = target.payment_provider(payment_url)
        names = target.outputs["TableName"], target.outputs["BucketName"]
        return cls(target.client, *names, target.database_url, *provider)

    def items(self) -> Iterator[Mapping[str, Any]]:
        return self._scan(ConsistentRead=True)

    def due(self) -> Iterator[Mapping[str, Any]]:
        return self._scan(IndexName="due")

    def rows(self, table: str) -> Iterator[Mapping[str, Any]]:
        with psycopg.connect(self.database_url, row_factory=dict_row, connect_timeout=10) as connection:
            connection.read_only = True
            with connection.cursor(name="verify") as cursor:
                cursor.itersize = ROWS_PER_FETCH
                yield from map(plain, cursor.execute(SQL[table]))

    def archived(self) -> Iterator[bytes]:
        s3 = self.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=archive.PREFIX)
        keys = (entry["Key"] for page in pages for entry in page.get("Contents", []))

        def read(key: str) -> list[bytes]:
            return archive.lines(s3, self.bucket, key)

        with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
            while some := list(islice(keys, OBJECTS_AT_ONCE)):
                for lines in pool.map(read, some):
                    yield from lines

    def paid(self) -> Iterator[Mapping[str, Any]]:
        with httpx.Client(base_url=self.payment_url, auth=(self.payment_api_key, ""), timeout=30) as provider:
            for path in ("/v1/payment_intents", "/v1/charges", "/v1/refunds", "/v1/disputes"):
                parameters: dict[str, Any] = {"limit": 100}
                more = True
                while more:
                    page = provider.get(path, params=parameters).raise_for_status().json()
                    yield from page["data"]
                    more = page["has_more"]
                    parameters |= {"starting_after": page["data"][-1]["id"]} if more else {}

    def _scan(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.table, **arguments)
        for page in pages:
            for item in page["Items"]:
                yield {name: _attribute(value) for name, value in item.items()}


def _attribute(value: Mapping[str, Any]) -> Any:
    return int(value["N"]) if "N" in value else value.get("S", value.get("SS"))


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a row in the form in which the folds have them."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case _:
            return value


@contextmanager
def reading() -> Iterator[None]:
    """Turns what a system's own library raises, or SQLite on a full disk, into the error that nothing is known."""
    try:
        yield
    except ShopError as error:
        raise CouldNotCheckError(str(error)) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("httpx", "botocore", "psycopg", "sqlite3"):
            raise
        raise CouldNotCheckError(f"{type(error).__name__}: {error}") from error


class CouldNotCheckError(ShopError):
    def __init__(self, cause: str) -> None:
        super().__init__(f"The shop could not be checked: {cause}", exit_code=2)
