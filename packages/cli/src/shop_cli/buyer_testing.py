"""A customer at the storefront, as its tests speak of one."""

import re
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

from shop_cli.testing import Shop, eventually

GOOD = "pm_card_visa"
DECLINED = "pm_card_visa_chargeDeclinedInsufficientFunds"
SECURE = "pm_card_authenticationRequired"
SECURE_THEN_DECLINED = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"
SLOW = "pm_card_processing"


@dataclass(frozen=True)
class Buyer:
    """`page` has shown a page of the shop already, so its storage can be used."""

    page: Page
    shop: Shop

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def sees(self, heading: str) -> None:
        expect(self.page.get_by_role("heading", level=1, name=heading, exact=True)).to_be_visible()

    def product(self, *, stock: int, price_minor: int = 1_000) -> str:
        """Lists a product that the read model shows with its stock."""
        sku = self.shop.new_product(stock=stock, price_minor=price_minor)
        eventually(lambda: self.shop.request("GET", f"/products/{sku}"), lambda found: available(found.body) == stock)
        return sku

    def put_in_basket(self, sku: str) -> None:
        self.page.goto(f"/products/{sku}")
        self.button("Put in basket").click()
        expect(self.page.get_by_text("1 is in your basket.").first).to_be_visible()

    def reserve(self) -> str:
        """Reserves what is in the basket, and returns the reservation's id."""
        self.page.goto("/basket")
        self.button("Reserve and pay").click()
        expect(self.pay_button).to_be_visible()
        return self.page.url.rpartition("/")[2]

    def reserve_one(self) -> str:
        self.put_in_basket(self.product(stock=1))
        return self.reserve()

    def choose(self, card: str) -> None:
        choice = self.page.locator(f'input[value="{card}"]')
        if not choice.is_visible():
            self.page.locator("summary").click()
        choice.check()

    def pay(self, card: str) -> None:
        self.choose(card)
        self.pay_button.click()

    def pay_in_another_way(self, card: str) -> None:
        """Gives up a payment that waits for the bank."""
        self.page.get_by_text("Pay in another way", exact=True).click()
        expect(self.pay_button).to_be_visible()
        self.pay(card)

    @property
    def pay_button(self) -> Locator:
        return self.page.get_by_role("button", name=re.compile(r"^(Pay|Ask again for) "))

    def has_paid(self, reservation_id: str) -> None:
        """The page thanks, and the event store has exactly one purchase."""
        self.sees("Thank you")
        expect(self.page).to_have_url(f"/thanks/{reservation_id}")
        types = [event["type"] for event in self.shop.events(f"reservation-{reservation_id}")]
        if types.count("shop.purchase.confirmed.v1") != 1:
            raise AssertionError(types)

    def charges(self, reservation_id: str) -> list[dict[str, Any]]:
        """The successful charges, as the payment provider has them."""
        requested = [
            event["data"]["payment_intent_id"]
            for event in self.shop.events(f"reservation-{reservation_id}")
            if event["type"] == "shop.payment.requested.v1"
        ]
        found = [self.shop.provider("GET", f"/v1/charges?payment_intent={intent}")["data"] for intent in set(requested)]
        return [charge for charges in found for charge in charges if charge["status"] == "succeeded"]


def available(product: Any) -> int | None:
    return product.get("available") if isinstance(product, dict) else None
