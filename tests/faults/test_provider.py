"""Whatever breaks between the function and the payment provider, a reservation is charged once, and only once."""

from typing import Any

import pytest

from shop_cli.emulator_testing import Wire
from shop_command.testing.deployed import DeployedShop
from shop_http.testing import Answer
from shop_payment_provider.testing import ProviderProcess

pytestmark = pytest.mark.usefixtures("impatient")

PLACES = {
    "creating": {"Idempotency-Key": ":create"},
    "confirming": {"Idempotency-Key": ":confirm:"},
    "everything": {"Stripe-Version": ""},
}
FAULTS: dict[str, dict[str, Any]] = {
    "internal-error": {"error": {"code": "api_error", "status": 500}},
    "answer-lost": {"response": {"abort_frac": 0.0}},
    "reset": {"reset": True},
    "hang": {"timeout_ms": 5_000},
    "slow-and-done": {"latency": 1_000},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_outcome_is_found_out_by_a_repeat(
    shop: DeployedShop, provider_wire: Wire, place: str, fault: str
) -> None:
    reservation = reserve(shop)
    provider_wire.breaks(headers=PLACES[place], **FAULTS[fault])
    answers = [shop.purchase(reservation["reservation_id"]) for _ in range(2)]
    assert provider_wire.broke() > 0
    provider_wire.heal()
    # Without an intent nothing can have happened; with one, only the provider's record of it can tell.
    found_out = (place, fault) == ("confirming", "answer-lost")
    expected = [202, 201 if found_out else 202] if place == "confirming" else [503, 503]
    assert [answer.status for answer in answers] == expected
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status != 201)
    assert_purchased_once(shop, reservation)


@pytest.mark.parametrize("fault", ["reset", "answer-lost"])
@pytest.mark.parametrize("place", PLACES)
def test_a_connection_that_breaks_once_is_not_noticed(
    shop: DeployedShop, provider_wire: Wire, place: str, fault: str
) -> None:
    reservation = reserve(shop)
    provider_wire.breaks(headers=PLACES[place], **FAULTS[fault], times=1)
    assert shop.purchase(reservation["reservation_id"]).status == 201
    assert provider_wire.broke() == 1
    assert_purchased_once(shop, reservation)


@pytest.mark.parametrize(
    ("card", "statuses"),
    [
        ("pm_card_slow", [201, 201]),
        ("pm_card_timeout_after_charge", [202, 201]),
        ("pm_card_error_after_charge", [202, 201]),
        ("pm_card_error_before_charge", [202, 202]),
        ("pm_card_visa_chargeDeclined", [402, 402]),
    ],
)
def test_each_of_the_providers_own_faults_has_one_answer(shop: DeployedShop, card: str, statuses: list[int]) -> None:
    reservation = reserve(shop)
    answers = [shop.purchase(reservation["reservation_id"], card) for _ in range(2)]
    assert [answer.status for answer in answers] == statuses
    charged = shop.charges(reservation["reservation_id"])
    assert charged == ([reservation["total"]["amount_minor"]] if 201 in statuses else [])
    assert shop.stock() == ((8, 0, 2) if 201 in statuses else (8, 2, 0))


def test_while_the_provider_is_down_the_caller_is_told_to_come_back(
    shop: DeployedShop, provider: ProviderProcess
) -> None:
    unpaid, unknown = reserve(shop), reserve(shop, "another")
    assert shop.purchase(unknown["reservation_id"], "pm_card_timeout_after_charge", "unknown").status == 202
    provider.kill()
    try:
        answers = (
            shop.purchase(unpaid["reservation_id"]),
            shop.purchase(unknown["reservation_id"], "pm_card_timeout_after_charge", "unknown"),
        )
    finally:
        provider.start()
    assert [answer.status for answer in answers] == [503, 202]
    for reservation, card, key in (
        (unpaid, "pm_card_visa", "purchase"),
        (unknown, "pm_card_timeout_after_charge", "unknown"),
    ):
        assert shop.purchase(reservation["reservation_id"], card, key).status == 201
        assert shop.charges(reservation["reservation_id"]) == [reservation["total"]["amount_minor"]]
    assert shop.stock() == (6, 0, 4)


def reserve(shop: DeployedShop, key: str = "reserve") -> dict[str, Any]:
    answer = shop.reserve(2, key)
    assert answer.status == 201
    body: dict[str, Any] = answer.body
    return body


def assert_purchased_once(shop: DeployedShop, reservation: dict[str, Any]) -> None:
    final: Answer = shop.purchase(reservation["reservation_id"])
    assert (final.status, final.body["stream_version"]) == (201, 3)
    assert shop.charges(reservation["reservation_id"]) == [reservation["total"]["amount_minor"]]
    assert shop.stock() == (8, 0, 2)
