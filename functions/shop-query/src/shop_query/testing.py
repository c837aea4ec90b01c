"""For tests: rows in the read model, and requests as API Gateway sends them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from shop_http.testing import Answer, http_event
from shop_query.handlers.api import handler

PLACED = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
LINE = {"sku": "MUG", "quantity": 2, "unit_price_minor": 1250, "name": "Mug"}
EXPIRES = datetime(2026, 9, 1, 12, 15, tzinfo=UTC)


@dataclass
class FixedClock:
    """Time passes by sleeping alone."""

    day: date = date(2026, 9, 1)
    passed_seconds: float = 0.0

    def today(self) -> date:
        return self.day

    def seconds(self) -> float:
        return self.passed_seconds

    def sleep(self, seconds: float) -> None:
        self.passed_seconds += seconds


class Shop:
    """The function, as clients and API Gateway see it, and the rows of its read model."""

    def __init__(self, superuser: psycopg.Connection) -> None:
        self._superuser = superuser

    def get(
        self,
        path: str,
        query: dict[str, str] | None = None,
        *,
        customer: str | None = None,
        groups: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """`groups` is the claim as API Gateway writes it: "[admin]". Without a customer there is no authorizer."""
        event = http_event(
            f"GET {path}",
            key=None,
            subject=customer,
            groups=groups,
            headers=headers,
            query=query,
            declared=handler.declared,
        )
        return self.send(event)

    def send(self, event: dict[str, Any]) -> Answer:
        return Answer.read(handler(event, SimpleNamespace()))

    def execute(self, statement: str, *values: object) -> list[Any]:
        cursor = self._superuser.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def list_product(
        self,
        sku: str,
        *,
        stock: int | None = None,
        name: str = "Mug",
        description: str = "For tea.",
        category: str | None = None,
        price_minor: int = 1250,
        currency: str = "EUR",
        status: str = "listed",
        listed_at: datetime = PLACED,
        images: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.execute(
            "INSERT INTO shop.product"
            " (sku, name, description, price_minor, currency, status, version, listed_at, category, images)"
            " VALUES (%s, %s, %s, %s, %s, %s, 1, %s, %s, %s)",
            *(sku, name, description, price_minor, currency, status, listed_at, category, Jsonb(images)),
        )
        self.execute("INSERT INTO shop.product_word SELECT shop.name_words(%s) ON CONFLICT DO NOTHING", name)
        if category is not None and status == "listed":
            self.execute(
                "INSERT INTO shop.category AS c VALUES (%s, 1)"
                " ON CONFLICT (category) DO UPDATE SET products = c.products + 1",
                category,
            )
        if stock is not None:
            self.execute("INSERT INTO shop.stock VALUES (%s, %s, 0, 0)", sku, stock)

    def reserve(
        self,
        reservation_id: str,
        customer: str,
        *,
        status: str = "active",
        placed_at: datetime = PLACED,
        purchased_at: datetime | None = None,
        lines: Sequence[dict[str, Any]] = (LINE,),
    ) -> None:
        intent = "pi_1" if purchased_at else None
        self.execute(
            "INSERT INTO shop.reservation VALUES (%s, %s, %s, %s, 2500, 'EUR', %s, %s, %s, %s, 3)",
            *(reservation_id, customer, status, Jsonb(lines), placed_at, EXPIRES, intent, purchased_at),
        )

    def refund(
        self,
        purchase_id: str,
        refund: int,
        amount_minor: int,
        *,
        reason: str | None = None,
        origin: str = "shop",
        failed_at: datetime | None = None,
    ) -> None:
        self.execute(
            "INSERT INTO shop.refund VALUES (%s, %s, %s, %s, 'EUR', %s, %s, %s, %s)",
            *(purchase_id, refund, f"re_{refund}", amount_minor, reason, origin, PLACED, failed_at),
        )

    def dispute(self, purchase_id: str, number: int, status: str, *, closed_at: datetime | None = None) -> None:
        self.execute(
            "INSERT INTO shop.dispute VALUES (%s, %s, %s, 2500, 'EUR', 'fraudulent', %s, %s)",
            *(purchase_id, f"du_{number}", status, PLACED + timedelta(days=number), closed_at),
        )

    def log(self, reservation_id: str, *event_types: str) -> None:
        """Events of a reservation's stream, a minute apart."""
        for version, event_type in enumerate(event_types, start=1):
            self.execute(
                "INSERT INTO shop.event_log VALUES (%s, %s, gen_random_uuid(), %s, %s, '{}')",
                *(f"reservation-{reservation_id}", version, event_type, PLACED + (version - 1) * timedelta(minutes=1)),
            )

    def sell(self, day: date, sku: str, *, units: int = 1, currency: str = "EUR", price_minor: int = 1250) -> None:
        self.execute(
            "INSERT INTO shop.sales_daily AS s VALUES (%s, %s, %s, %s, %s) ON CONFLICT (day, sku, currency)"
            " DO UPDATE SET units = s.units + excluded.units, revenue_minor = s.revenue_minor + excluded.revenue_minor",
            *(day, sku, currency, units, units * price_minor),
        )
        self.execute(
            "INSERT INTO shop.sales_monthly AS s VALUES (%s, %s, %s, %s, %s) ON CONFLICT (month, sku, currency)"
            " DO UPDATE SET units = s.units + excluded.units, revenue_minor = s.revenue_minor + excluded.revenue_minor",
            *(day.replace(day=1), sku, currency, units, units * price_minor),
        )

    def pages(self, path: str, query: dict[str, str], **caller: Any) -> Iterator[list[Any]]:
        cursor: dict[str, str] = {}
        while True:
            answer = self.get(path, query | cursor, **caller)
            assert answer.status == 200, answer.body
            yield answer.body["items"]
            if answer.body["next_cursor"] is None:
                return
            cursor = {"cursor": answer.body["next_cursor"]}
