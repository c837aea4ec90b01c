"""Every event says who brought it about, and so do the log and the trace of an administrator's act."""

from collections.abc import Callable
from typing import Any

import pytest

from shop_command.handlers.function import function
from shop_command.testing import Shop, http_event, invoke
from shop_command.testing.shop import slug
from shop_http.route import Who
from shop_observability.testing import ROOT, Daemon, Log, measured
from shop_shared.envelope import Envelope

ADMINISTRATOR = "a0e5a6e2-1f0f-4c58-8a7e-6a9d3f2b4c77"
PRICE = {"amount_minor": 700, "currency": "EUR"}
DETAILS = {"name": "Cup", "description": ""}
ACTS: tuple[tuple[str, Any], ...] = (
    ("POST /products", {"sku": "MUG", **DETAILS, "price": PRICE}),
    ("POST /products/{sku}/details", DETAILS),
    ("POST /products/{sku}/price", {"price": PRICE}),
    ("POST /products/{sku}/stock", {"quantity": 10}),
    ("POST /products/{sku}/stock-adjustment", {"quantity_change": -1, "reason": "Counted"}),
    ("POST /products/{sku}/buckets", {"stock_buckets": 2}),
    ("DELETE /products/{sku}", None),
    ("POST /products/{sku}/relist", None),
    ("POST /purchases/{purchase_id}/refund", {"amount_minor": 100}),
)
"""Each route of an administrator, in an order in which all succeed once something was bought."""

SAMPLED = {"x-amzn-trace-id": f"Root={ROOT};Sampled=1"}


def act(route: str, body: Any, **details: Any) -> Any:
    content = {"raw_body": ""} if body is None else {"body": body}
    path: dict[str, Any] = {"sku": "MUG"} if "{sku}" in route else {}
    return invoke(
        http_event(route, **content, subject=ADMINISTRATOR, groups="[admin]", key=route[-9:], **path, **details)
    )


def actors(events: Any) -> list[tuple[str | None, str | None]]:
    return [(event.authtype, event.authid) for event in events]


def history(shop: Shop, stream_id: str) -> dict[str, tuple[str | None, str | None]]:
    events: list[Envelope] = list(shop.store.events(stream_id))
    return {event.type: (event.authtype, event.authid) for event in events}


def bought(shop: Shop) -> str:
    reservation_id = str(shop.reserve(("MUG", 1)).body["reservation_id"])
    assert shop.purchase(reservation_id).status == 201
    return reservation_id


def test_every_administrators_act_names_its_actor(shop: Shop) -> None:
    assert {route for route, _ in ACTS} == {it.name for it in function.declared if it.who is Who.ADMINISTRATOR}
    for route, body in ACTS[:-1]:
        assert act(route, body).status < 300, route
    assert actors(shop.store.events("product-MUG")) == [("app_user", ADMINISTRATOR)] * (len(ACTS) - 1)
    purchase_id = bought(shop)
    assert act(*ACTS[-1], purchase_id=purchase_id).status == 201
    found = history(shop, f"reservation-{purchase_id}")
    assert found["shop.purchase.refund-requested.v2"] == ("app_user", ADMINISTRATOR)
    assert found["shop.purchase.refunded.v2"] == ("app_user", ADMINISTRATOR)


def test_a_customers_event_says_that_a_customer_did_it_and_repeats_no_id(stocked: Shop) -> None:
    purchase_id = bought(stocked)
    given_up = str(stocked.reserve(("MUG", 1), key="another").body["reservation_id"])
    stocked.cancel(given_up)
    for reservation_id in (purchase_id, given_up):
        found = actors(stocked.store.events(f"reservation-{reservation_id}"))
        assert found == [("app_user", None)] * len(found)


def test_an_administrator_who_buys_is_a_customer_like_any_other(stocked: Shop) -> None:
    lines = {"lines": [{"sku": "MUG", "quantity": 1}]}
    answer = stocked.post("/reservations", lines, subject=ADMINISTRATOR, groups="[admin]")
    assert actors(stocked.store.events(answer.body["stream_id"])) == [("app_user", None)]


def test_what_nobody_asked_for_is_the_systems(stocked: Shop) -> None:
    expired = str(stocked.reserve(("MUG", 1), key="expires").body["reservation_id"])
    settled = str(stocked.reserve(("MUG", 1), key="settled").body["reservation_id"])
    reported = str(stocked.reserve(("MUG", 1), key="reported").body["reservation_id"])
    for reservation_id in (settled, reported):
        stocked.purchase(reservation_id, "pm_card_timeout_after_charge", key=reservation_id)
    intent = stocked.store.events(f"reservation-{reported}")[1].data.payment_intent_id  # type: ignore[attr-defined]
    assert stocked.webhook("payment_intent.succeeded", intent, reported).status == 200
    stocked.clock.advance(3_600)
    stocked.sweep()
    ends = {"shop.reservation.expired.v1": expired, "shop.purchase.confirmed.v1": settled}
    for event_type, reservation_id in (*ends.items(), ("shop.purchase.confirmed.v1", reported)):
        assert history(stocked, f"reservation-{reservation_id}")[event_type] == ("system", None)


def test_log_and_trace_of_an_administrators_act_name_the_actor(stocked: Shop, log: Log, daemon: Daemon) -> None:
    answer = act("POST /products/{sku}/price", {"price": PRICE}, headers=SAMPLED)
    assert answer.status == 201
    (line,) = log.lines()
    (segment,) = daemon.documents()
    assert line["actor"] == segment["annotations"]["actor"] == ADMINISTRATOR
    stocked.reserve(("MUG", 1))
    assert "actor" not in log.lines()[-1]


Asked = Callable[[str, str], tuple[Any, list[str], dict[str, Any]]]


@pytest.fixture
def ask(log: Log, daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> Asked:
    """Sends a customer's command about a reservation, and returns the answer, the refusals that were counted, and what
    log and trace say of them."""

    def run(route: str, reservation_id: str) -> tuple[Any, list[str], dict[str, Any]]:
        content: dict[str, Any] = {"body": {"payment_method": "pm_card_visa", "reservation_id": reservation_id}}
        if "{" in route:
            content = {"raw_body": "", "reservation_id": reservation_id}
        answer = invoke(http_event(route, **content, key="k", subject="mallory", headers=SAMPLED))
        refusals = [name for name in measured(capsys.readouterr().out) if name.startswith("Refusals")]
        (segment,) = daemon.documents()
        line = {name: value for name, value in log.lines()[-1].items() if name in ("refusal", "actor")}
        assert line.items() <= segment["annotations"].items()
        return answer, refusals, line

    return run


@pytest.mark.parametrize("route", ["DELETE /reservations/{reservation_id}", "POST /purchase"])
def test_what_is_another_customers_is_answered_as_none_and_counted(reserved: str, route: str, ask: Asked) -> None:
    refused, counted, named = ask(route, reserved)
    assert (refused.status, slug(refused)) == (404, "not-found")
    assert (counted, named) == (["RefusalsNotOwner"], {"refusal": "not-owner", "actor": "mallory"})
    missed, *nothing = ask(route, "0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f")
    assert refused.body | {"instance": ""} == missed.body | {"instance": ""}
    assert nothing == [[], {}]


def test_a_caller_who_is_no_administrator_is_named_and_counted(
    stocked: Shop, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stocked.contents()
    for route, body in ACTS:
        path: dict[str, Any] = {"sku": "MUG"} if "{sku}" in route else {"purchase_id": "none"} if "{" in route else {}
        for subject, status, kind, metric in (
            ("mallory", 403, "forbidden", "RefusalsForbidden"),
            (None, 401, "unauthenticated", "RefusalsUnauthenticated"),
        ):
            content = {"raw_body": ""} if body is None else {"body": body}
            assert invoke(http_event(route, **content, subject=subject, **path)).status == status
            assert [it for it in measured(capsys.readouterr().out) if it.startswith("Refusals")] == [metric]
            line = log.lines()[-1]
            assert (line["refusal"], line.get("actor")) == (kind, subject)
    assert stocked.contents() == before
