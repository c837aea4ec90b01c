"""The whole function over fakes: whole Lambda events in, answers out."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from shop_command import bootstrap
from shop_command.adapters.secrets import Secret
from shop_command.adapters.telemetry import Observability
from shop_command.application.reconciliation import ReconciliationReport
from shop_command.application.sweeping import Report
from shop_command.domain.limits import Limits
from shop_command.domain.stock import Bucket
from shop_command.handlers import api
from shop_command.ports import Workers
from shop_command.testing.fakes import (
    Counters,
    FakeClock,
    FakeHelpers,
    FakePublisher,
    InMemoryEventStore,
    OneByOne,
    SequentialIds,
)
from shop_command.testing.gateway import FakeGateway
from shop_http.testing import Answer, http_event
from shop_payment_provider.stripe import signature

WEBHOOK_SECRET = "whsec_of_tests"  # noqa: S105 - of no use elsewhere


def slug(answer: Answer) -> str:
    """Returns the slug of the problem that was answered."""
    return str(answer.body["type"].rpartition("/")[2])


def raising(error: Exception) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


class LambdaContext:
    function_name = "shop-command-test-api"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:shop-command-test-api"
    aws_request_id = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def invoke(event: dict[str, Any]) -> Answer:
    return Answer.read(api.handler(event, LambdaContext()))


@dataclass
class Shop:
    """Tests put its `application` in the place of `bootstrap.application` while events are sent."""

    store: InMemoryEventStore = field(default_factory=InMemoryEventStore)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    gateway: FakeGateway = field(default_factory=FakeGateway)
    clock: FakeClock = field(default_factory=FakeClock)
    limits: Limits = field(default_factory=Limits)
    workers: Workers = field(default_factory=OneByOne)
    helpers: FakeHelpers = field(default_factory=FakeHelpers)
    application: bootstrap.Application = field(init=False)

    def __post_init__(self) -> None:
        self.application = bootstrap.assemble(
            store=self.store,
            publisher=self.publisher,
            gateway=self.gateway,
            clock=self.clock,
            ids=SequentialIds(),
            randomness=Random(7),  # noqa: S311 - repeatable
            webhook_secret=Secret(lambda: (WEBHOOK_SECRET,)),
            telemetry=Observability(),
            limits=self.limits,
            workers=self.workers,
            helpers=self.helpers,
        )

    def post(self, path: str, body: Any = None, **details: Any) -> Answer:
        return invoke(http_event(f"POST {path}", body, **details))

    def list_product(
        self, sku: str = "MUG", *, price_minor: int = 500, currency: str = "EUR", buckets: int = 1
    ) -> Answer:
        body = {
            "sku": sku,
            "name": f"Product {sku}",
            "description": "",
            "price": {"amount_minor": price_minor, "currency": currency},
            "stock_buckets": buckets,
        }
        return self.post("/products", body, groups="[admin]", key=f"list-{sku}")

    def receive(self, sku: str = "MUG", quantity: int = 10, key: str = "receive") -> Answer:
        return self.post("/products/{sku}/stock", {"quantity": quantity}, groups="[admin]", key=key, sku=sku)

    def reprice(self, sku: str = "MUG", price_minor: int = 700, key: str = "reprice") -> Answer:
        body = {"price": {"amount_minor": price_minor, "currency": "EUR"}}
        return self.post("/products/{sku}/price", body, groups="[admin]", key=key, sku=sku)

    def redistribute(self, sku: str = "MUG", buckets: int = 5, key: str = "redistribute") -> Answer:
        return self.post("/products/{sku}/buckets", {"stock_buckets": buckets}, groups="[admin]", key=key, sku=sku)

    def adjust(
        self, sku: str = "MUG", quantity_change: int = 1, *, reason: str = "Counted", key: str = "adjust"
    ) -> Answer:
        body = {"quantity_change": quantity_change, "reason": reason}
        return self.post("/products/{sku}/stock-adjustment", body, groups="[admin]", key=key, sku=sku)

    def describe(self, sku: str = "MUG", *, name: str = "Cup", key: str = "describe", **more: Any) -> Answer:
        body = {"name": name, "description": "", **more}
        return self.post("/products/{sku}/details", body, groups="[admin]", key=key, sku=sku)

    def relist(self, sku: str = "MUG", key: str = "relist") -> Answer:
        return invoke(http_event("POST /products/{sku}/relist", raw_body="", groups="[admin]", key=key, sku=sku))

    def retire(self, sku: str = "MUG", key: str = "retire") -> Answer:
        return invoke(http_event("DELETE /products/{sku}", raw_body="", groups="[admin]", key=key, sku=sku))

    def reserve(self, *lines: tuple[str, int], key: str = "reserve", subject: str = "customer-1") -> Answer:
        body = {"lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines or [("MUG", 2)]]}
        return self.post("/reservations", body, key=key, subject=subject)

    def purchase(
        self, reservation_id: str, card: str = "pm_card_visa", *, key: str = "purchase", subject: str = "customer-1"
    ) -> Answer:
        body = {"reservation_id": reservation_id, "payment_method": card}
        return self.post("/purchase", body, key=key, subject=subject)

    def cancel(self, reservation_id: str, *, subject: str = "customer-1") -> Answer:
        route = "DELETE /reservations/{reservation_id}"
        return invoke(http_event(route, raw_body="", key=None, subject=subject, reservation_id=reservation_id))

    def refund(
        self, purchase_id: str, body: Any = None, *, key: str = "refund", groups: str | None = "[admin]"
    ) -> Answer:
        """Without a body, all that is left is given back."""
        route, raw = "POST /purchases/{purchase_id}/refund", "" if body is None else None
        return invoke(http_event(route, body, raw_body=raw, key=key, groups=groups, purchase_id=purchase_id))

    def webhook(
        self,
        type_: str,
        payment_intent_id: str,
        reservation_id: str,
        *,
        secret: str = WEBHOOK_SECRET,
        age_seconds: int = 0,
    ) -> Answer:
        """What the provider sends, signed as it does."""
        intent = {"id": payment_intent_id, "object": "payment_intent", "metadata": {"reservation_id": reservation_id}}
        payload = json.dumps({"id": "evt_1", "object": "event", "type": type_, "data": {"object": intent}})
        signed_at = int(self.clock.now().timestamp()) - age_seconds
        headers = {"stripe-signature": signature(payload, secret, signed_at)}
        return invoke(http_event("POST /payments/webhook", raw_body=payload, key=None, subject=None, headers=headers))

    def money_webhook(self, type_: str = "charge.refunded", payment_intent_id: str = "pi_1") -> Answer:
        """What the provider sends when money was given back, could not be, or is disputed."""
        record = {"id": "ch_1", "object": "charge", "payment_intent": payment_intent_id}
        payload = json.dumps({"id": "evt_2", "object": "event", "type": type_, "data": {"object": record}})
        headers = {"stripe-signature": signature(payload, WEBHOOK_SECRET, int(self.clock.now().timestamp()))}
        return invoke(http_event("POST /payments/webhook", raw_body=payload, key=None, subject=None, headers=headers))

    def sweep(self, seconds: float = 50.0) -> Report:
        return self.application.sweep.run(seconds)

    def reconcile(self, seconds: float = 50.0) -> ReconciliationReport:
        return self.application.reconciliation.run(seconds)

    def totals(self, sku: str = "MUG") -> Counters:
        counters = [self.store.buckets.get(Bucket(sku, number), Counters()) for number in range(64)]
        return Counters(*(sum(getattr(c, name) for c in counters) for name in ("available", "held", "sold")))

    def contents(self) -> str:
        """All that the store holds: equal before and after means that nothing was written."""
        return repr(self.store)
