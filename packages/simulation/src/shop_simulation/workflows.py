"""Lists the workflows that are explored. A new one only needs its steps here."""

from datetime import timedelta
from typing import Final

from shop_simulation.explorer import Workflow
from shop_simulation.steps import (
    DELIVERED,
    adjust,
    authenticate,
    cancel,
    decide,
    describe,
    dispute,
    hoard,
    later,
    list_product,
    lose_intents,
    lose_sight,
    outage,
    pay_past_the_shop,
    place,
    purchase,
    read_stream_again,
    receive,
    receive_forged_webhooks,
    receive_webhooks,
    reconcile,
    redistribute,
    refund,
    refund_elsewhere,
    relist,
    reprice,
    retire,
    sweep,
    with_other_body,
)
from shop_simulation.world import LIMITS

STOCKED: Final = (list_product(), receive(10))

PLACED: Final = (*STOCKED, place())
PURCHASED: Final = (*PLACED, purchase())
A_WHILE: Final = later(timedelta(minutes=2))
"""This is longer than any request takes, so whatever a request began is due afterwards."""
A_DAY: Final = later(timedelta(hours=25))
"""The provider has forgotten every idempotency key when this time has passed."""
LISTED: Final = later(timedelta(minutes=11))
"""The provider lists every event by then, so that none is read again."""
TOO_LONG: Final = later(timedelta(minutes=16))
"""Every reservation has expired when this time has passed."""

ENDING: Final = (
    Workflow("expiry", before=PLACED, steps=(TOO_LONG, sweep(), sweep()), rivals=(sweep(), purchase(), cancel())),
    Workflow(
        "expiry met by others",
        before=PLACED,
        steps=(TOO_LONG, cancel(), purchase(), cancel().maybe()),
        rivals=(sweep(), cancel()),
    ),
    Workflow(
        "cancel",
        before=(*PLACED, place(name="place too")),
        steps=(cancel(), cancel().maybe(), purchase()),
        rivals=(cancel(),),
    ),
    Workflow(
        "cancel, expiry and purchase at once",
        before=PLACED,
        steps=(purchase(), cancel()),
        rivals=(purchase(), cancel(), sweep()),
    ),
    Workflow(
        "cancel after a declined card",
        before=(*PLACED, purchase("pm_card_visa_chargeDeclined")),
        steps=(cancel(), sweep(), purchase(name="purchase again")),
        rivals=(purchase(name="purchase again"), sweep()),
    ),
    Workflow(
        "an item that can't be read",
        before=(*PLACED, place(name="place first"), place(name="place last"), lose_sight("place")),
        steps=(TOO_LONG, sweep()),
    ),
)
PAYING: Final = (
    Workflow("purchase, then sweep", before=PLACED, steps=(purchase(), A_WHILE, sweep(), purchase().maybe())),
    Workflow(
        "sweep of a payment",
        before=(*PLACED, purchase("pm_card_error_after_charge"), A_WHILE),
        steps=(TOO_LONG.maybe(), sweep(), sweep()),
        rivals=(sweep(), purchase("pm_card_error_after_charge"), receive_webhooks()),
    ),
    Workflow(
        "refund",
        before=PURCHASED,
        steps=(refund(), refund().maybe(), A_WHILE, sweep()),
        rivals=(refund(), refund(name="refund too"), sweep()),
    ),
    Workflow(
        "refund that takes its time",
        before=(*PLACED, purchase("pm_card_pendingRefund")),
        steps=(refund(), A_WHILE, sweep(), refund().maybe()),
    ),
    Workflow(
        "refund of a part",
        before=PURCHASED,
        steps=(refund(lines={"MUG": 1}), A_DAY, sweep(), refund(lines={"MUG": 1}).maybe()),
        rivals=(refund(lines={"MUG": 1}), refund(name="refund money", amount_minor=200)),
    ),
    Workflow(
        "refunds one after the other",
        before=PURCHASED,
        steps=(
            refund(lines={"MUG": 1}),
            refund(name="refund money", amount_minor=200),
            A_DAY,
            sweep(),
            refund(name="refund the rest", restock=False),
        ),
        rivals=(refund(name="refund money", amount_minor=200), sweep()),
        faults_max=1,
    ),
    Workflow(
        "refunds at the dashboard",
        before=PURCHASED,
        steps=(
            refund_elsewhere(300),
            receive_webhooks().maybe(),
            refund(lines={"MUG": 1}),
            refund_elsewhere(100),
            receive_webhooks(),
            receive_webhooks(again=True),
        ),
        rivals=(refund(lines={"MUG": 1}), receive_webhooks(), sweep()),
        faults_max=1,
    ),
    Workflow(
        "refund that fails later",
        before=(*PLACED, purchase("pm_card_refundFail")),
        steps=(
            refund(),
            A_WHILE,
            receive_webhooks(),
            receive_webhooks(again=True),
            refund(name="refund again").maybe(),
        ),
        rivals=(receive_webhooks(), refund(name="refund again")),
        faults_max=1,
    ),
    Workflow(
        "a lost dispute",
        before=PURCHASED,
        steps=(
            refund_elsewhere(300),
            dispute(),
            receive_webhooks().maybe(),
            refund(lines={"MUG": 1}),
            decide(is_won=False),
            receive_webhooks(),
            receive_webhooks(again=True),
        ),
        rivals=(refund(lines={"MUG": 1}), receive_webhooks(), sweep()),
        faults_max=1,
    ),
    Workflow(
        "an inquiry that becomes a dispute",
        before=(*PURCHASED, dispute(is_inquiry=True)),
        steps=(
            receive_webhooks(),
            refund(amount_minor=300),
            dispute(),
            decide(is_won=False).maybe(),
            receive_webhooks(),
            decide(is_won=True),
            receive_webhooks(),
            refund(name="refund the rest").sound(),
        ),
        faults_max=1,
    ),
    Workflow(
        "webhooks that never come",
        before=(*PURCHASED, refund_elsewhere(300)),
        steps=(LISTED.maybe(), reconcile(), dispute(), LISTED, reconcile(), decide(is_won=False), reconcile()),
        rivals=(refund(lines={"MUG": 1}), reconcile(), sweep()),
        faults_max=1,
    ),
    Workflow(
        "refund of more than is left",
        before=PURCHASED,
        steps=(
            refund(lines={"MUG": 1}, restock=False),
            refund(name="refund both", lines={"MUG": 2}),
            refund(name="refund too much", amount_minor=600),
        ),
        faults_max=1,
    ),
    Workflow(
        "webhooks",
        before=PLACED,
        steps=(purchase(), receive_webhooks(), receive_webhooks(again=True), receive_forged_webhooks().sound()),
        rivals=(purchase(), receive_webhooks(), sweep()),
    ),
    Workflow(
        "webhooks of an earlier attempt",
        before=(*PLACED, purchase("pm_card_visa_chargeDeclined")),
        steps=(purchase(name="purchase again"), receive_webhooks(), receive_webhooks(again=True)),
    ),
    Workflow(
        "3-D Secure",
        before=PLACED,
        steps=(
            purchase("pm_card_authenticationRequired"),
            authenticate().maybe(),
            purchase("pm_card_authenticationRequired").maybe(),
        ),
        rivals=(authenticate(), receive_webhooks()),
    ),
    Workflow(
        "3-D Secure, then sweep",
        before=PLACED,
        steps=(purchase("pm_card_authenticationRequired"), A_WHILE, sweep()),
        rivals=(authenticate(), purchase("pm_card_authenticationRequired")),
    ),
    Workflow(
        "3-D Secure that fails",
        before=PLACED,
        steps=(
            purchase("pm_card_authenticationRequired"),
            authenticate(completes=False).maybe(),
            receive_webhooks().maybe(),
            purchase("pm_card_authenticationRequired").maybe(),
            purchase(name="purchase again").sound(),
        ),
    ),
    Workflow(
        "3-D Secure that nobody goes through",
        before=(*PLACED, purchase("pm_card_authenticationRequired")),
        steps=(A_WHILE, sweep(), TOO_LONG, sweep(), authenticate().maybe(), receive_webhooks().maybe(), sweep()),
        rivals=(authenticate(), sweep()),
    ),
    Workflow(
        "3-D Secure that is given up",
        before=(*PLACED, purchase("pm_card_authenticationRequired")),
        steps=(
            purchase(name="purchase again"),
            receive_webhooks().maybe(),
            purchase("pm_card_authenticationRequired").maybe(),
            cancel().maybe(),
        ),
        rivals=(authenticate(), receive_webhooks(), cancel(), purchase(name="purchase too"), sweep()),
        faults_max=1,
    ),
    Workflow(
        "a charge after the end",
        before=(
            *PLACED,
            purchase("pm_card_authenticationRequired"),
            authenticate(completes=False),
            purchase("pm_card_authenticationRequired"),
        ),
        steps=(
            pay_past_the_shop().maybe(),
            cancel(),
            pay_past_the_shop(),
            receive_webhooks().maybe(),
            sweep(),
            receive_webhooks(again=True).sound(),
        ),
        rivals=(sweep(), receive_webhooks()),
    ),
    Workflow(
        "an intent that does not exist",
        before=(*PLACED, purchase("pm_card_error_before_charge"), lose_intents()),
        steps=(
            purchase("pm_card_error_before_charge").maybe(),
            A_WHILE,
            sweep(),
            purchase(name="purchase again").maybe(),
            lose_intents().maybe(),
            TOO_LONG.maybe(),
            sweep(),
        ),
    ),
    Workflow(
        "sweep of many things",
        before=(*PURCHASED, outage(), place(name="place more"), cancel(of="place more"), outage(ends=True), A_WHILE),
        steps=(sweep(),),
        rivals=(sweep(),),
    ),
)
GREEDY: Final = (
    Workflow(
        "too many reservations",
        before=(*STOCKED, *hoard(LIMITS.open_reservations_max - 1)),
        steps=(place(), cancel(of="hoard 1"), place({"MUG": 1}, name="place after")),
        rivals=(place({"MUG": 3}, name="place meanwhile"), purchase(of="hoard 2"), sweep()),
    ),
    Workflow(
        "too many units",
        before=(*STOCKED, receive(20, name="receive more"), *hoard(1, LIMITS.units_held_max - 3)),
        steps=(place(), purchase(of="hoard 1"), place({"MUG": LIMITS.units_held_max - 2}, name="place after")),
        rivals=(place(name="place meanwhile"), cancel(of="hoard 1")),
    ),
    Workflow(
        "too many cards",
        before=(
            *PLACED,
            place(name="place too"),
            *(
                purchase("pm_card_visa_chargeDeclined", name=f"try {number}", of="place too")
                for number in range(1, LIMITS.card_attempts_max)
            ),
        ),
        steps=(
            purchase("pm_card_visa_chargeDeclined"),
            later(timedelta(hours=1)).maybe(),
            purchase(name="purchase again"),
        ),
        rivals=(purchase("pm_card_visa_chargeDeclined", name="try meanwhile", of="place too"),),
        faults_max=1,
    ),
)
MOVING: Final = (
    Workflow(
        "redistribution",
        before=(list_product(buckets=2), receive(6)),
        steps=(redistribute(3), redistribute(3).maybe(), place({"MUG": 5})),
        rivals=(place({"MUG": 2}, name="place little"), place({"MUG": 5}), redistribute(1)),
    ),
    Workflow("other price", before=STOCKED, steps=(reprice(700), place()), rivals=(place(), reprice(600))),
    Workflow(
        "retirement",
        before=PLACED,
        steps=(retire(), place(name="place after"), purchase()),
        rivals=(place(name="place after"), retire()),
    ),
    Workflow(
        "adjustment",
        before=PLACED,
        steps=(adjust(-8), adjust(-8).maybe(), adjust(3), place(name="place after")),
        rivals=(place({"MUG": 3}, name="place little"), cancel()),
    ),
    Workflow(
        "correction",
        before=(*PLACED, retire()),
        steps=(
            relist(),
            relist().maybe(),
            describe("Cup", category="cups"),
            place(name="place after"),
        ),
        rivals=(retire(name="retire again"),),
    ),
)

WORKFLOWS: Final = (
    Workflow(
        "list and receive",
        steps=(list_product(), list_product().maybe(), receive(10), receive(10).maybe()),
        rivals=(list_product(), receive(10), receive(5)),
    ),
    Workflow(
        "place",
        before=STOCKED,
        steps=(place(), place().maybe(), with_other_body(place(), {"lines": [{"sku": "MUG", "quantity": 1}]})),
        rivals=(place(), place({"MUG": 9}, name="place much")),
    ),
    Workflow(
        "place when it is sold out",
        before=(list_product(buckets=3), receive(6), list_product("POT"), receive(1, "POT")),
        steps=(place({"MUG": 5, "POT": 1}), place({"MUG": 5, "POT": 1}).maybe(), place(name="place too much")),
        rivals=(place({"MUG": 6}, name="place all"),),
    ),
    Workflow(
        "purchase",
        before=STOCKED,
        steps=(place().sound(), purchase(), purchase().maybe()),
        rivals=(purchase(), purchase(name="purchase too")),
    ),
    Workflow(
        "purchase in whole units",
        before=(list_product(currency="ISK"), receive(10), place()),
        steps=(purchase(), purchase().maybe(), refund(), A_WHILE, sweep()),
        faults_max=1,
    ),
    Workflow(
        "a declined card, then another one",
        before=(*STOCKED, place()),
        steps=(
            purchase("pm_card_visa_chargeDeclined"),
            purchase("pm_card_visa_chargeDeclined").maybe(),
            purchase(name="purchase again"),
        ),
    ),
    *(
        Workflow(
            f"purchase with {name}",
            before=(*STOCKED, place()),
            steps=(purchase(card), purchase(card).maybe(), purchase(name="another").maybe()),
        )
        for name, card in {
            "slow": "pm_card_processing",
            "slow_declined": "pm_card_processing_declined",
            "error_before": "pm_card_error_before_charge",
            "error_after": "pm_card_error_after_charge",
            "action": "pm_card_authenticationRequired",
        }.items()
    ),
    Workflow(
        "another body",
        before=(*STOCKED, place()),
        steps=(purchase(), with_other_body(purchase(), {"payment_method": "pm_card_visa_chargeDeclined"})),
    ),
    Workflow(
        "somebody else's reservation",
        before=(*STOCKED, place()),
        steps=(purchase(name="purchase theirs", caller="customer-2"), purchase()),
        faults_max=1,
    ),
    *ENDING,
    *PAYING,
    *MOVING,
    *GREEDY,
    Workflow("delivery again", before=(*STOCKED, *DELIVERED), steps=(read_stream_again(), *DELIVERED)),
    Workflow("delivery", before=(*STOCKED, place(), purchase()), steps=(*DELIVERED, *DELIVERED)),
)
