"""Commands publish events, which say where they come from."""

from datetime import timedelta
from typing import Any

from shop_command.ports import PUBLISH_GRACE_SECONDS
from shop_command.testing import Shop, http_event, invoke


def test_every_event_is_published_and_no_longer_due(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved)
    assert [event.type for event in stocked.publisher.published] == [
        "shop.product.listed.v1",
        "shop.product.stock-received.v1",
        "shop.reservation.placed.v1",
        "shop.payment.requested.v1",
        "shop.purchase.confirmed.v1",
    ]
    assert not stocked.store.due_events
    assert not stocked.store.due_states


def test_an_event_that_is_not_published_stays_due_and_fails_nothing(stocked: Shop, reserved: str) -> None:
    stocked.publisher.fails = lambda event: event.type == "shop.payment.requested.v1"
    assert stocked.purchase(reserved).status == 201
    state = stocked.store.stored[f"reservation-{reserved}"]
    assert (state.version, state.unpublished) == (3, 2)
    assert state.due_at == stocked.clock.now() + timedelta(seconds=PUBLISH_GRACE_SECONDS)


def test_events_say_what_caused_them_and_what_they_belong_to(stocked: Shop) -> None:
    headers = {"x-correlation-id": "shopping-trip-1", "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    body: dict[str, Any] = {"lines": [{"sku": "MUG", "quantity": 1}]}
    reservation = invoke(http_event("POST /reservations", body, headers=headers)).body["reservation_id"]
    body = {"reservation_id": reservation, "payment_method": "pm_card_visa"}
    assert invoke(http_event("POST /purchase", body, headers=headers)).status == 201
    placed, requested, confirmed = stocked.store.events(f"reservation-{reservation}")
    assert (placed.causationid, requested.causationid) == ("request-1", "request-1")
    assert confirmed.causationid == requested.id
    assert {event.correlationid for event in (placed, requested, confirmed)} == {"shopping-trip-1"}
    for event in (placed, requested, confirmed):
        assert event.awstraceheader == "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"
        assert event.partitionkey == event.subject == f"reservation-{reservation}"
        assert event.dataschema == f"https://shop.example/schemas/{event.type}/{event.data.SCHEMA_VERSION}"
    assert [event.streamversion for event in (placed, requested, confirmed)] == [1, 2, 3]
