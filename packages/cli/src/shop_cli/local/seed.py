"""Lists the catalogue through the shop's own API, as an administrator would."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from shop_cli.errors import ShopError
from shop_cli.local import deploy, emulator
from shop_cli.local.home import State
from shop_cli.progress import ProgressStep

SEEDS = uuid.UUID("4f0a2c6e-8a57-5b0e-9d3c-6e6f1d1c8a11")
VISIBLE_SECONDS = 60.0
PAGES_MAX = 100
# More at once would only start more execution environments, each of which takes longer than it saves.
THREADS = 2


def catalogue() -> list[dict[str, Any]]:
    return list(json.loads(Path(__file__).with_name("catalogue.json").read_text()))


def api_url(state: State) -> str:
    return f"{emulator.endpoint_url(state)}/_aws/execute-api/{deploy.outputs(state)['HttpApiId']}"


def api_client(state: State, token: str | None = None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # The first call of each function starts it, which takes some seconds on a busy machine.
    return httpx.Client(base_url=api_url(state), headers=headers, timeout=60)


def seed(state: State, token: str, step: ProgressStep) -> None:
    """Each product's idempotency keys are made from its SKU: a second time the API gives its first answer again.

    That all of it has succeeded in this shop is remembered, only to save the time.
    """
    products = catalogue()
    digest = hashlib.sha256(f"{api_url(state)} {products}".encode()).hexdigest()
    with api_client(state, token) as api, ThreadPoolExecutor(THREADS) as pool:
        if state.seeded_digest != digest:
            for count, _ in enumerate(pool.map(lambda product: _list_product(api, product), products), start=1):
                step.doing(f"{count} of {len(products)} products listed")
        _wait_until_visible(api, {product["sku"] for product in products}, step)
    state.seeded_digest = digest
    step.done(f"{len(products)} products")


def _list_product(api: httpx.Client, product: dict[str, Any]) -> None:
    body = {name: value for name, value in product.items() if name != "stock"}
    _post(api, "/products", body, f"{product['sku']}/list")
    _post(api, f"/products/{product['sku']}/stock", {"quantity": product["stock"]}, f"{product['sku']}/stock")


def _post(api: httpx.Client, path: str, body: dict[str, Any], key: str) -> None:
    answer = api.post(path, json=body, headers={"Idempotency-Key": str(uuid.uuid5(SEEDS, key))})
    # 422 for a key that came with another body: the catalogue file was edited after it had been listed.
    reused = answer.status_code == 422 and "idempotency-key-reused" in answer.text
    if not answer.is_success and not reused:
        raise ShopError(f"POST {path} for the catalogue was answered {answer.status_code}: {answer.text}")


def visible(api: httpx.Client) -> Iterator[str]:
    """Yields the SKUs that GET /products shows, over all of its pages."""
    parameters: dict[str, str] = {}
    for _ in range(PAGES_MAX):
        answer = api.get("/products", params=parameters)
        if answer.status_code != 200:
            raise ShopError(f"GET /products was answered {answer.status_code}: {answer.text}")
        page = answer.json()
        yield from (item["sku"] for item in page["items"])
        if not page.get("next_cursor"):
            return
        parameters = {"cursor": page["next_cursor"]}


def _wait_until_visible(api: httpx.Client, expected: set[str], step: ProgressStep) -> None:
    deadline = time.monotonic() + VISIBLE_SECONDS
    while missing := expected - set(visible(api)):
        step.doing(f"{len(expected) - len(missing)} of {len(expected)} products visible in GET /products")
        if time.monotonic() > deadline:
            raise ShopError(
                f"After {VISIBLE_SECONDS:.0f} s GET /products still lacks {', '.join(sorted(missing)[:3])}... "
                "The events go to PostgreSQL through shop-dispatch: see npx serverless logs -f project --stage local"
            )
        time.sleep(0.3)
