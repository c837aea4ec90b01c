"""The real time-outs: an answer comes before the API gives up waiting, and says what to do."""

import time

import pytest

from shop_cli.emulator_testing import Wire
from shop_command.testing.deployed import DeployedShop
from shop_command.testing.shop import LambdaContext

SECONDS = 12
"""Less than two hangs of the stream take. The first is beside the provider's answer, which is recorded after it."""


def test_while_the_stream_hangs_a_purchase_is_answered_in_time(
    shop: DeployedShop, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    reservation = shop.reserve(2).body
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: SECONDS * 1000)
    wire.breaks("kinesis", operation="PutRecords", timeout_ms=30_000)
    started = time.monotonic()
    answer = shop.purchase(reservation["reservation_id"])
    assert time.monotonic() - started < SECONDS
    assert (answer.status, answer.headers["Retry-After"]) == (202, "2")
    wire.heal()
    assert shop.purchase(reservation["reservation_id"]).status == 201
    assert shop.charges(reservation["reservation_id"]) == [reservation["total"]["amount_minor"]]
