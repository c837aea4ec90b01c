"""Every route is sent at random, twice at once, again and wrong. `make hammer` does it at length."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from random import Random
from typing import Any

import httpx
import pytest

from shop_cli.local import deploy, emulator
from shop_cli.local.home import Home
from shop_cli.testing import ROOT, Answer, Shop, run_bench
from shop_openapi import document


def people(shop: Shop) -> set[str]:
    state = Home(shop.home).state()
    pool = deploy.outputs(state)["UserPoolId"]
    return {user["Username"] for user in emulator.client(state, "cognito-idp").list_users(UserPoolId=pool)["Users"]}


def test_what_is_hammered_answers_as_the_document_says_and_each_repeat_alike(shop: Shop) -> None:
    printed = run_bench(shop, "hammer", "--minutes", "0.4", "--seed", "4", seconds_max=300)
    assert "| POST /purchase | 201: " in printed


def test_a_hammer_that_is_interrupted_leaves_no_customer(shop: Shop) -> None:
    before = people(shop)
    environment = {**os.environ, "SHOP_HOME": str(shop.home)}
    command = [sys.executable, "-m", "bench.hammer", "--minutes", "5"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as hammer:
        assert hammer.stderr is not None
        hammer.stderr.readline()  # its first line of progress
        assert len(people(shop)) > len(before)
        hammer.send_signal(signal.SIGTERM)
        started = time.monotonic()
        hammer.communicate(timeout=60)
    assert hammer.returncode == 1
    assert time.monotonic() - started < 60
    assert people(shop) == before


def answer(status: int, body: Any, content_type: str = "application/json") -> Answer:
    return Answer(status, httpx.Headers({"content-type": content_type}), body)


PLACED = answer(201, {"reservation_id": "1", "stream_version": 1})
BUSY = answer(503, {"type": "try-again"}, "application/problem+json")
FAULTS = {
    "an internal error": [answer(500, {}, "application/problem+json")],
    "an answer of the gateway's own": [answer(503, {"message": "Service Unavailable"})],
    "a status that is not in the document": [answer(418, {}, "application/problem+json")],
    "a repeat with another body": [PLACED, answer(201, {"reservation_id": "2", "stream_version": 1})],
    "a repeat that is refused": [PLACED, BUSY, answer(409, {}, "application/problem+json")],
}


@pytest.mark.parametrize(("answers", "faults"), [([PLACED, BUSY, PLACED], 0), *((it, 1) for it in FAULTS.values())])
def test_a_wrong_answer_is_a_fault(answers: list[Answer], faults: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    bench = importlib.import_module("bench.hammer")
    maker = bench.RequestMaker(document.whole(), ("customer 1",), ROOT, deque(["MUG"]))
    made = bench.Hammer(None, {"customer 1": ""}, maker, 1)
    request = bench.Sent("POST /reservations", "/reservations", "customer 1", "key", b"{}", {}, ("MUG",))
    for each in answers:
        made._judge(request, each, time.monotonic())
    assert len({fault.partition(":")[0] for fault in made.faults}) == faults


@pytest.mark.parametrize(("is_twin", "faults"), [(True, 0), (False, 1)])
def test_only_a_twin_may_still_be_pending_after_the_outcome(
    is_twin: bool, faults: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    bench = importlib.import_module("bench.hammer")
    maker = bench.RequestMaker(document.whole(), ("customer 1",), ROOT, deque(["MUG"]))
    made = bench.Hammer(None, {"customer 1": ""}, maker, 1)
    request = bench.Sent("POST /purchase", "/purchase", "customer 1", "key", b"{}", {}, ("MUG",))
    began = time.monotonic()
    made._judge(request, answer(201, {"status": "purchased"}), began)
    made._judge(request, answer(202, {"status": "paying"}), began if is_twin else time.monotonic() + 1)
    assert len(made.faults) == faults


def test_a_request_is_made_for_every_route_of_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    requests = importlib.import_module("bench.generated_requests")
    maker = requests.RequestMaker(document.whole(), ("customer 1", "administrator", ""), ROOT, deque(["MUG", "CUP"]))
    maker.webhook_secret = ROOT / "LICENSE"
    bought = requests.Bought("0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f", "customer 1", ("MUG",), "pi_1")
    maker.reservations.append(bought)
    maker.purchases.append(bought)
    for path, methods in maker.document["paths"].items():
        for method, operation in methods.items():
            made = [maker.request(f"{method.upper()} {path}", Random(seed)) for seed in range(40)]  # noqa: S311 - repeatable
            assert all("{" not in request.path for request in made)
            if operation.get("requestBody", {}).get("required"):
                assert all(request.content for request in made)
