"""Folds a product's events into its state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shop_cli.operations.verify.findings import Difference
from shop_cli.operations.verify.stock import Ledger
from shop_cli.operations.verify.streams import Event, instant

CHECK: Final = "lives"
TERMS: Final = ("name", "description", "price", "stock_buckets")


@dataclass
class AuditedProduct:
    sku: str
    version: int = 0
    status: str = "none"
    terms: dict[str, Any] = field(default_factory=dict)
    """These are settled by the last event of each kind: name, description, price, stock_buckets."""
    listed_at: str = ""
    category: str | None = None
    images: list[dict[str, Any]] = field(default_factory=list)
    """Nobody decides by this or the category, so the stored state keeps neither."""

    def state(self) -> dict[str, Any]:
        """Returns what its stored state must say, whatever else that keeps. A retired product needs no terms."""
        return {"sku": self.sku, "status": self.status, **(self.terms if self.status == "listed" else {})}

    def row(self) -> dict[str, Any]:
        price = self.terms.get("price", {})
        return {
            "name": self.terms.get("name"),
            "description": self.terms.get("description"),
            "category": self.category,
            "images": self.images,
            "price_minor": price.get("amount_minor"),
            "currency": price.get("currency"),
            "status": self.status,
            "version": self.version,
            "listed_at": self.listed_at,
        }


def fold(stream_id: str, events: Sequence[Event], ledger: Ledger) -> tuple[AuditedProduct, list[Difference]]:
    product, differences = AuditedProduct(stream_id.removeprefix("product-")), []
    for event in events:
        subject = f"{stream_id}/{event['streamversion']}"
        listing = event["type"] == "shop.product.listed.v1"
        if listing != (product.status == "none"):
            wanted = "listed first, and once"
            differences.append(Difference(CHECK, subject, "order", wanted, f"{event['type']} when {product.status}"))
        if event["type"] == "shop.product.relisted.v1" and product.status != "retired":
            differences.append(Difference(CHECK, subject, "order", "retired before", f"relisted when {product.status}"))
        differences += _apply(product, event, subject, ledger)
        product.version = event["streamversion"]
    return product, differences


def _apply(product: AuditedProduct, event: Event, subject: str, ledger: Ledger) -> Iterable[Difference]:
    data = event["data"]
    match event["type"]:
        case "shop.product.listed.v1" | "shop.product.described.v1" as kind:
            if kind == "shop.product.listed.v1":
                product.status, product.listed_at = "listed", instant(event["time"])
            product.terms |= {name: data[name] for name in TERMS if name in data}
            product.category, product.images = data.get("category"), data.get("images", [])
        case "shop.product.repriced.v1":
            product.terms["price"] = data["price"]
        case "shop.product.retired.v1":
            product.status = "retired"
        case "shop.product.relisted.v1":
            product.status = "listed"
        case "shop.product.stock-received.v1":
            ledger.received[product.sku] += data["quantity"]
            ledger.move(product.sku, data["allocations"], available=1)
            if _sum(data["allocations"]) != data["quantity"]:
                yield Difference(CHECK, subject, "allocations", data["quantity"], _sum(data["allocations"]))
        case "shop.product.stock-adjusted.v1":
            change = data["quantity_change"]
            ledger.received[product.sku] += change
            ledger.move(product.sku, data["allocations"], available=1 if change > 0 else -1)
            if _sum(data["allocations"]) != abs(change):
                yield Difference(CHECK, subject, "allocations", abs(change), _sum(data["allocations"]))
        case "shop.product.stock-redistributed.v1":
            product.terms["stock_buckets"] = data["stock_buckets"]
            ledger.move(product.sku, data["allocations_from"], available=-1)
            ledger.move(product.sku, data["allocations_to"], available=1)
            taken, given = _sum(data["allocations_from"]), _sum(data["allocations_to"])
            if taken != given:
                yield Difference(CHECK, subject, "allocations_to", taken, given)
        case unknown:
            yield Difference(CHECK, subject, "type", "a product's", unknown)


def _sum(allocations: Iterable[Mapping[str, int]]) -> int:
    return sum(allocation["quantity"] for allocation in allocations)
