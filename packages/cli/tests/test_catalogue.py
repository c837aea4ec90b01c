"""Every local shop starts with the same products."""

import json
import re
from typing import Any

import httpx
import pytest

from shop_cli.errors import ShopError
from shop_cli.local import seed
from shop_cli.local.home import State
from shop_cli.progress import ProgressStep
from shop_shared.events import ProductListed


class FakeShop:
    """Answers as the API does for the same key: the first answer again, 422 for another body."""

    def __init__(self, *, visible: bool = True) -> None:
        self.stock: dict[str, int] = {}
        self._answers: dict[str, bytes] = {}
        self._visible = visible

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return self._page(int(request.url.params.get("cursor", "0")))
        key = request.headers["Idempotency-Key"]
        if key in self._answers:
            same = self._answers[key] == request.content
            return httpx.Response(201) if same else httpx.Response(422, text='{"type": ".../idempotency-key-reused"}')
        self._answers[key] = request.content
        body = json.loads(request.content)
        if path := re.fullmatch("/products/(.+)/stock", request.url.path):
            self.stock[path[1]] += body["quantity"]
        else:
            self.stock[body["sku"]] = 0
        return httpx.Response(201)

    def _page(self, start: int, size: int = 7) -> httpx.Response:
        skus = sorted(self.stock) if self._visible else []
        end = start + size
        items: list[dict[str, Any]] = [{"sku": sku} for sku in skus[start:end]]
        return httpx.Response(200, json={"items": items, "next_cursor": str(end) if end < len(skus) else None})


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> FakeShop:
    shop = FakeShop()
    use(shop, monkeypatch)
    return shop


def use(shop: FakeShop, monkeypatch: pytest.MonkeyPatch) -> None:
    def client(_state: State, _token: str | None = None) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(shop), base_url="http://shop")

    monkeypatch.setattr(seed, "api_client", client)
    monkeypatch.setattr(seed, "api_url", lambda _state: "http://shop")


def test_it_has_about_thirty_products_that_the_event_package_accepts() -> None:
    products = seed.catalogue()
    assert 25 <= len(products) <= 40
    assert len({product["sku"] for product in products}) == len(products)
    for product in products:
        body = {name: value for name, value in product.items() if name != "stock"}
        ProductListed.model_validate({**body, "stock_buckets": 1})
        assert product["stock"] > 0
        assert product["description"].endswith(".")
        assert product["category"]


def test_seeding_again_adds_nothing(shop: FakeShop) -> None:
    for _ in range(2):
        seed.seed(State(), "token", ProgressStep("Catalogue"))
    assert shop.stock == {product["sku"]: product["stock"] for product in seed.catalogue()}


def test_an_edited_catalogue_does_not_stop_a_shop_that_has_the_old_one(
    shop: FakeShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed.seed(State(), "token", ProgressStep("Catalogue"))
    edited = [{**product, "name": "Another name"} for product in seed.catalogue()]
    monkeypatch.setattr(seed, "catalogue", lambda: edited)
    seed.seed(State(), "token", ProgressStep("Catalogue"))


def test_products_that_never_become_visible_are_an_error_that_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    use(FakeShop(visible=False), monkeypatch)
    monkeypatch.setattr(seed, "VISIBLE_SECONDS", 0.0)
    with pytest.raises(ShopError, match="still lacks BEANS-BRA-1000"):
        seed.seed(State(), "token", ProgressStep("Catalogue"))


def test_a_refused_product_is_an_error_with_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, text="only an administrator")

    with httpx.Client(transport=httpx.MockTransport(refuse), base_url="http://shop") as api:
        with pytest.raises(ShopError, match="answered 403: only an administrator"):
            seed._list_product(api, seed.catalogue()[0])
