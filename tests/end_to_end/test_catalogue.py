"""The catalogue through the gateway: what only its routes decide."""

import uuid

import pytest

from shop_cli.testing import Shop, eventually

OF_ONE_ANSWER = {"apigw-requestid", "content-length", "date", "etag", "x-amzn-trace-id", "x-correlation-id"}
"""These headers differ from answer to answer, or with what happens in the shop meanwhile."""


@pytest.mark.parametrize(
    "path", ["/products", "/categories", "/purchases", "/docs", "/openapi/command.json", "/nowhere"]
)
def test_head_is_answered_as_get_is_but_without_a_body(shop: Shop, path: str) -> None:
    url, token = shop.status["api_url"] + path, {"authorization": f"Bearer {shop.status['customer_token']}"}
    for headers in (token, {}):
        got, answer = (shop.http.request(method, url, headers=headers) for method in ("GET", "HEAD"))
        assert (answer.status_code, answer.content) == (got.status_code, b"")
        assert {it: text for it, text in answer.headers.items() if it not in OF_ONE_ANSWER} == {
            it: text for it, text in got.headers.items() if it not in OF_ONE_ANSWER
        }


def test_lists_arrive_compressed_only_where_that_is_accepted(shop: Shop) -> None:
    url = shop.status["api_url"] + "/products"
    packed, plain = (shop.http.get(url, headers={"accept-encoding": it}) for it in ("gzip", "gzip;q=0"))
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.json().keys() == plain.json().keys()
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


def test_a_sku_as_other_shops_write_theirs_passes_every_route(shop: Shop) -> None:
    name = uuid.uuid4().hex[:12]
    sku, category = f"t_{name}.350-ml", f"tests-{name}"
    product = {"sku": sku, "name": "Café/Bar", "description": "", "price": {"amount_minor": 500, "currency": "EUR"}}
    listed = shop.administrator("POST", "/products", key=sku, body={**product, "category": category})
    assert (listed.status, listed.headers["location"]) == (201, f"/products/{sku}")
    received = shop.administrator("POST", f"/products/{sku}/stock", key=f"stock-{sku}", body={"quantity": 2})
    version = received.body["stream_version"]
    assert shop.request("GET", f"/products/{sku}?min_version={version}").body["available"] == 2
    reserved = shop.reserve(sku)
    assert reserved["lines"][0]["name"] == "Café/Bar"
    shown = eventually(lambda: shop.request("GET", f"/products?sku={sku},UNKNOWN").body["items"], bool)
    assert [item["sku"] for item in shown] == [sku]
    assert shop.request("GET", f"/products?q={sku}&limit=1").body["items"][0]["sku"] == sku
    assert {"category": category, "products": 1} in shop.request("GET", "/categories?limit=100").body["items"]
    assert shop.events(f"product-{sku}")[0]["type"] == "shop.product.listed.v1"
