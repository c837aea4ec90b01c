"""Makes a customer of a stage for one demonstration, and a product for them to buy. Afterwards neither is of use."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import httpx

from shop_cli.errors import ShopError
from shop_cli.operations.people import totp
from shop_cli.operations.people.user_pool import UserPool
from shop_cli.passwords import new_password
from shop_cli.progress import ProgressDisplay
from shop_cli.target import Target

SKU: Final = "SHOP-DEMO"
PRODUCT: Final = {
    "sku": SKU,
    "name": "Product of ./shop demo",
    "description": "It is for sale while the demonstration runs.",
    "price": {"amount_minor": 1_000, "currency": "EUR"},
}
STOCK: Final = 5
VISIBLE_SECONDS_MAX: Final = 180.0
"""A database that has paused takes its time, and so does the first start of each function."""
CALL_SECONDS: Final = 60
LIVE: Final = ("sk_live_", "rk_live_")


@contextmanager
def customer(
    target: Target, progress: ProgressDisplay, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[httpx.Client, str]]:
    """Yields the API, with the customer's token, and the SKU. Raises ShopError for a stage that takes real money."""
    if takes_real_money(target):
        raise ShopError(f"Stage {target.stage} takes real money: test cards are refused there, so there is no demo")
    with ExitStack() as afterwards:
        with progress.step("Guest", "making a customer, an administrator and a product") as step:
            pool = UserPool.of(target)
            administrator = afterwards.enter_context(_api(target, _administrator(pool, afterwards, step.doing, sleep)))
            buyer = afterwards.enter_context(_api(target, pool.sign_in(*_person(pool, "customer", afterwards))))
            step.doing("listing a product")
            _list_product(administrator)
            afterwards.callback(_change, administrator, "DELETE", f"/products/{SKU}")
            _wait_until_visible(buyer, step.doing, sleep)
            step.done(f"a customer, and {STOCK} of the product {SKU}")
        yield buyer, SKU


def takes_real_money(target: Target) -> bool:
    _, key = target.payment_provider("")
    return key.startswith(LIVE)


def _person(pool: UserPool, name: str, afterwards: ExitStack) -> tuple[str, str]:
    email, password = f"demo-{name}-{secrets.token_hex(6)}@shop.example", new_password()
    afterwards.callback(pool.delete, email)
    pool.create_silently(email, password)
    return email, password


def _administrator(
    pool: UserPool, afterwards: ExitStack, doing: Callable[[str], None], sleep: Callable[[float], None]
) -> str:
    email, password = _person(pool, "administrator", afterwards)
    if not pool.takes_second_factors:
        pool.join_administrators(email)
        return pool.sign_in(email, password)
    token = pool.sign_in(email, password)
    secret = pool.second_factor_secret(token)
    pool.confirm_second_factor(token, totp.code_at(secret, time.time()))
    pool.join_administrators(email)
    doing("waiting for the administrator's next code, since Cognito takes each code once")
    sleep(totp.PERIOD_SECONDS - time.time() % totp.PERIOD_SECONDS)
    return pool.sign_in(email, password, code=lambda: totp.code_at(secret, time.time()))


def _api(target: Target, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=target.outputs["HttpApiUrl"], headers=headers, timeout=CALL_SECONDS)


def _list_product(api: httpx.Client) -> None:
    """Its SKU is always the same, so that many demonstrations leave one retired product behind."""
    _change(api, "POST", "/products", PRODUCT, fine=(409,))
    _change(api, "POST", f"/products/{SKU}/relist", fine=(409,))
    _change(api, "POST", f"/products/{SKU}/stock", {"quantity": STOCK})


def _change(
    api: httpx.Client, method: str, path: str, body: dict[str, Any] | None = None, fine: tuple[int, ...] = ()
) -> None:
    answer = api.request(method, path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    if not answer.is_success and answer.status_code not in fine:
        raise ShopError(f"{method} {path} was answered {answer.status_code}: {answer.text}")


def _wait_until_visible(api: httpx.Client, doing: Callable[[str], None], sleep: Callable[[float], None]) -> None:
    deadline = time.monotonic() + VISIBLE_SECONDS_MAX
    while True:
        answer = api.get(f"/products/{SKU}")
        if answer.status_code == 200 and answer.json().get("available", 0) >= STOCK:
            return
        if time.monotonic() > deadline:
            raise ShopError(f"GET /products/{SKU} still answers {answer.status_code}: {answer.text}")
        doing(f"waiting until the product is there: {answer.status_code}")
        sleep(1)
