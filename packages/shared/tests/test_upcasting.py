"""Earlier major versions of events are read in the words of the current one."""

from pathlib import Path

import pytest

from shop_shared.envelope import decode, decode_as_written, encode
from shop_shared.events import PurchaseRefunded, PurchaseRefundRequested
from shop_shared.registry import EVENT_TYPES
from shop_shared.upcasting import UPCASTERS
from shop_shared.values import Allocation, Money, RefundLine

GOLDEN = Path(__file__).parents[1] / "golden"
PURCHASE = "01926c7e-8f00-5a00-9b00-000000000001"
EUR_33_99 = Money(amount_minor=3_399, currency="EUR")


def test_a_request_of_the_first_version_asks_for_everything() -> None:
    read = decode((GOLDEN / "shop.purchase.refund-requested.v1/1.0.json").read_bytes())
    assert read.type == "shop.purchase.refund-requested.v1"
    assert read.data == PurchaseRefundRequested(
        purchase_id=PURCHASE,
        reservation_id=PURCHASE,
        refund=1,
        payment_intent_id="pi_3Golden",
        amount=EUR_33_99,
        lines=(),
        reason="requested_by_customer",
    )


def test_a_refund_of_the_first_version_gave_everything_back() -> None:
    read = decode((GOLDEN / "shop.purchase.refunded.v1/1.0.json").read_bytes())
    mugs = RefundLine(sku="MUG-BLUE", quantity=2, amount_minor=2_500, allocations=(Allocation(bucket=0, quantity=2),))
    tea = RefundLine(sku="TEA-GREEN-100", quantity=1, amount_minor=899, allocations=(Allocation(bucket=3, quantity=1),))
    assert read.data == PurchaseRefunded(
        purchase_id=PURCHASE,
        reservation_id=PURCHASE,
        customer_id="customer-1",
        refund=1,
        refund_id="re_3Golden",
        amount=EUR_33_99,
        left_minor=0,
        lines=(mugs, tea),
        reason="requested_by_customer",
    )


@pytest.mark.parametrize("old", UPCASTERS, ids=lambda old: old.TYPE)
def test_an_event_of_an_earlier_version_is_passed_on_as_it_was_written(old: type) -> None:
    written = (GOLDEN / old.TYPE / "1.0.json").read_bytes()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="was read as"):
        encode(decode(written))
    assert decode_as_written(encode(decode_as_written(written))) == decode_as_written(written)


def test_each_upcaster_leads_to_a_later_major_version_of_the_same_event() -> None:
    for old, upcaster in UPCASTERS.items():
        new = type(upcaster(decode_as_written((GOLDEN / old.TYPE / "1.0.json").read_bytes()).data))
        name, _, major = old.TYPE.rpartition(".v")
        assert new in EVENT_TYPES.values()
        assert f"{name}.v{int(major) + 1}" == new.TYPE
