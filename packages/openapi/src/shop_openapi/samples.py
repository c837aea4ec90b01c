"""Events that an answer is made of."""

from datetime import UTC, datetime
from typing import Final

from shop_openapi.parameters import UUID_EXAMPLE
from shop_shared.envelope import Envelope
from shop_shared.events import PaymentDeclined
from shop_shared.registry import dataschema

DECLINED: "Final[Envelope[PaymentDeclined]]" = Envelope(
    id="01a207bc-da7e-7625-b882-a28e205073fc",
    type=PaymentDeclined.TYPE,
    subject=f"reservation-{UUID_EXAMPLE}",
    time=datetime(2026, 11, 23, 9, 29, 6, tzinfo=UTC),
    dataschema=dataschema(PaymentDeclined),
    streamversion=3,
    partitionkey=f"reservation-{UUID_EXAMPLE}",
    correlationid="checkout-7f3a",
    causationid="request",
    data=PaymentDeclined(
        reservation_id=UUID_EXAMPLE,
        attempt=1,
        payment_intent_id="pi_3PxExample0000000000000001",
        code="card_declined",
        decline_code="insufficient_funds",
    ),
)
