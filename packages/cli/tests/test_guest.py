"""Whom a demonstration makes on a stage, and that nothing of it can be used afterwards."""

import io
import json
import time
from typing import Any

import httpx
import pytest
from rich.console import Console

from shop_cli.errors import ShopError
from shop_cli.operations import guest
from shop_cli.operations.people import totp
from shop_cli.operations.people.user_pool import UserPool
from shop_cli.progress import ProgressDisplay
from shop_cli.target import Target

SECRET = "GEZDGNBVGY3TQOJQ"


class Stage:
    """It is a stage's user pool and API. `calls` has what was asked of both, in order."""

    def __init__(self, *, second_factors: bool = False, listed: bool = False, fails_at: str = "") -> None:
        self.calls: list[str] = []
        self.people: set[str] = set()
        self.codes: list[str] = []
        self.takes_second_factors, self.listed, self.fails_at = second_factors, listed, fails_at
        self.available = 0

    def create_silently(self, email: str, _password: str) -> None:
        self.people.add(email)

    def delete(self, email: str) -> None:
        self.people.discard(email)
        self.calls.append("delete a person")

    def join_administrators(self, _email: str) -> None:
        self.calls.append("join")

    def second_factor_secret(self, _token: str) -> str:
        return SECRET

    def confirm_second_factor(self, _token: str, code: str) -> None:
        self.calls.append("second factor")
        self.codes.append(code)

    def sign_in(self, email: str, _password: str, code: Any = None) -> str:
        if code is not None:
            self.codes.append(code())
        return email.split("-")[1]

    def answer(self, request: httpx.Request) -> httpx.Response:
        who = request.headers["Authorization"].removeprefix("Bearer ")
        call = f"{request.method} {request.url.path}"
        if request.method != "GET":
            self.calls.append(f"{who} {call}")
        if self.fails_at == call:
            return httpx.Response(503, text="not now")
        match call:
            case "POST /products":
                return httpx.Response(409 if self.listed else 201)
            case "POST /products/SHOP-DEMO/relist":
                return httpx.Response(200 if self.listed else 409)
            case "POST /products/SHOP-DEMO/stock":
                self.available += json.loads(request.content)["quantity"]
        return httpx.Response(200, json={"available": self.available})


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch) -> Any:
    def begin(stage: Stage, key: str = "sk_test_1", sleep: Any = lambda _: None) -> Any:
        monkeypatch.setattr(UserPool, "of", lambda _: stage)
        monkeypatch.setattr(Target, "outputs", {"HttpApiUrl": "https://api"})
        monkeypatch.setattr(Target, "payment_provider", lambda *_: ("", key))
        client, transport = httpx.Client, httpx.MockTransport(stage.answer)
        monkeypatch.setattr(httpx, "Client", lambda **given: client(transport=transport, **given))
        return guest.customer(Target("dev"), ProgressDisplay(Console(file=io.StringIO())), sleep)

    return begin


CHANGES = ["POST /products", "POST /products/SHOP-DEMO/relist", "POST /products/SHOP-DEMO/stock"]


@pytest.mark.parametrize("listed", [False, True])
def test_the_guest_and_the_product_are_gone_afterwards(guests: Any, listed: bool) -> None:
    stage = Stage(listed=listed)
    with guests(stage) as (_api, sku):
        assert (sku, len(stage.people)) == ("SHOP-DEMO", 2)
        assert stage.calls == ["join", *(f"administrator {change}" for change in CHANGES)]
    assert stage.calls[-3:] == ["administrator DELETE /products/SHOP-DEMO", "delete a person", "delete a person"]
    assert stage.people == set()


@pytest.mark.parametrize("fails_at", [*CHANGES, "DELETE /products/SHOP-DEMO"])
def test_whatever_fails_nobody_stays_behind(guests: Any, fails_at: str) -> None:
    stage = Stage(fails_at=fails_at)
    with pytest.raises(ShopError, match="503"), guests(stage):
        pass
    assert stage.people == set()


def test_the_administrator_has_a_second_factor_before_the_right_and_uses_no_code_twice(guests: Any) -> None:
    stage = Stage(second_factors=True)
    slept: list[float] = []
    with guests(stage, sleep=slept.append):
        assert stage.calls[:2] == ["second factor", "join"]
    assert 0 < slept[0] <= totp.PERIOD_SECONDS
    assert stage.codes[-1] in {totp.code_at(SECRET, time.time() - back) for back in (0, 30)}


def test_a_stage_that_takes_real_money_is_left_alone(guests: Any) -> None:
    stage = Stage()
    with pytest.raises(ShopError, match="takes real money"), guests(stage, "sk_live_1"):
        pass
    assert (stage.calls, stage.people) == ([], set())
