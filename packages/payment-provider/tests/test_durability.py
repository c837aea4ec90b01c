"""Idempotency keys, restarts and kill -9: no acknowledged charge is lost, none is made twice."""

import sqlite3
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe

from shop_payment_provider.testing import ProviderProcess, running_provider

Connect = Callable[..., stripe.StripeClient]
FORM = {"amount": "1999", "currency": "usd", "payment_method_types[]": "card", "payment_method": "pm_card_visa"}
TLS = ssl.create_default_context()  # never used over plain HTTP, but costly to make anew for every request
CHARGED = FORM | {"confirm": "true"}


def post(provider: ProviderProcess, path: str, form: dict[str, str], key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    url = f"{provider.url}/v1/{path}"
    return httpx.post(url, data=form, headers=headers, auth=(provider.api_key, ""), timeout=20, verify=TLS)


def intents(provider: ProviderProcess) -> int:
    answer = httpx.get(f"{provider.url}/v1/payment_intents?limit=100", auth=(provider.api_key, ""), verify=TLS)
    return len(answer.json()["data"])


def charges_of(provider: ProviderProcess, intent: str) -> list[dict[str, Any]]:
    url = f"{provider.url}/v1/charges?payment_intent={intent}"
    found: list[dict[str, Any]] = httpx.get(url, auth=(provider.api_key, ""), verify=TLS).json()["data"]
    return found


@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_error_after_charge"])
def test_a_repeat_gets_the_same_status_and_body_and_does_nothing(own_provider: ProviderProcess, card: str) -> None:
    form = CHARGED | {"payment_method": card}
    first = post(own_provider, "payment_intents", form, "key")
    repeat = post(own_provider, "payment_intents", dict(reversed(form.items())), "key")
    assert (repeat.status_code, repeat.content) == (first.status_code, first.content)
    assert (first.headers.get("Idempotent-Replayed"), repeat.headers["Idempotent-Replayed"]) == (None, "true")
    assert repeat.headers["Original-Request"] == first.headers["Request-Id"] != repeat.headers["Request-Id"]
    assert intents(own_provider) == 1


def test_a_key_with_other_parameters_or_another_path_is_refused(provider: ProviderProcess) -> None:
    intent = post(provider, "payment_intents", FORM, "other-use").json()["id"]
    for path, form in (("payment_intents", FORM | {"amount": "2000"}), (f"payment_intents/{intent}/confirm", {})):
        refused = post(provider, path, form, "other-use")
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")
    assert charges_of(provider, intent) == []


def test_what_validation_refused_is_not_kept(provider: ProviderProcess) -> None:
    assert post(provider, "payment_intents", FORM | {"amount": "x"}, "corrected").status_code == 400
    assert post(provider, "payment_intents", FORM, "corrected").status_code == 200


def test_what_execution_refused_is_kept(provider: ProviderProcess) -> None:
    for replayed in (None, "true"):
        refused = post(provider, "payment_intents", FORM | {"payment_method": "pm_none"}, "kept")
        assert (refused.status_code, refused.headers.get("Idempotent-Replayed")) == (400, replayed)


def test_a_key_over_255_characters_is_refused(provider: ProviderProcess) -> None:
    assert post(provider, "payment_intents", FORM, "k" * 256).status_code == 400


def test_a_key_is_forgotten_after_a_day(own_provider: ProviderProcess) -> None:
    first = post(own_provider, "payment_intents", FORM, "old").json()
    with sqlite3.connect(own_provider.data) as database:
        database.execute(
            "UPDATE object SET body = json_set(body, '$.created', body ->> '$.created' - 24 * 3600) "
            "WHERE kind = 'idempotency_key'"
        )
    database.close()
    assert post(own_provider, "payment_intents", FORM, "old").json()["id"] != first["id"]


def test_one_key_sent_many_times_at_once_creates_one_intent(own_provider: ProviderProcess) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: post(own_provider, "payment_intents", CHARGED, "same"), range(16)))
    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert len(charges_of(own_provider, answers[0].json()["id"])) == 1


def test_charges_and_keys_survive_a_clean_restart(own_provider: ProviderProcess, connect: Connect) -> None:
    first = post(own_provider, "payment_intents", CHARGED, "restart")
    assert own_provider.stop() == 0
    own_provider.start()
    repeat = post(own_provider, "payment_intents", CHARGED, "restart")
    assert (repeat.content, repeat.headers["Idempotent-Replayed"]) == (first.content, "true")
    client = connect(own_provider)
    assert client.v1.payment_intents.retrieve(first.json()["id"]).status == "succeeded"
    assert len(charges_of(own_provider, first.json()["id"])) == 1


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize(
    ("card", "meanwhile"), [("pm_card_slow", "processing"), ("pm_card_timeout_after_charge", "succeeded")]
)
def test_an_answer_that_the_end_cut_off_is_there_after_the_restart(card: str, meanwhile: str, end: str) -> None:
    with running_provider(slow_seconds=60, timeout_seconds=60) as provider:
        intent = post(provider, "payment_intents", FORM).json()["id"]
        path, form = f"payment_intents/{intent}", {"payment_method": card}
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(post, provider, f"{path}/confirm", form, "cut")
            while (
                httpx.get(f"{provider.url}/v1/{path}", auth=(provider.api_key, ""), verify=TLS).json()["status"]
                != meanwhile
            ):
                assert not waiting.done()
            getattr(provider, end)()
            assert isinstance(waiting.exception(), httpx.TransportError) or waiting.result().status_code == 500
        provider.start()
        repeat = post(provider, f"{path}/confirm", form, "cut")
        assert (repeat.status_code, repeat.json()["status"]) == (200, "succeeded")
        assert repeat.headers["Idempotent-Replayed"] == "true"
        assert len(charges_of(provider, intent)) == 1


def test_killed_under_load_nothing_acknowledged_is_lost_and_nothing_is_charged_twice(
    own_provider: ProviderProcess,
) -> None:
    acknowledged: dict[str, bytes] = {}
    enough = threading.Event()

    def charge(number: int) -> None:
        try:
            answer = post(own_provider, "payment_intents", CHARGED, f"load-{number}")
        except httpx.TransportError:
            return
        acknowledged[f"load-{number}"] = answer.content
        if len(acknowledged) == 40:
            enough.set()

    with ThreadPoolExecutor(8) as threads:
        sent = [threads.submit(charge, number) for number in range(400)]
        assert enough.wait(60)
        own_provider.kill()
        for request in sent:
            request.result()
    assert 40 <= len(acknowledged) < 400

    own_provider.start()
    repeats = {
        f"load-{number}": post(own_provider, "payment_intents", CHARGED, f"load-{number}") for number in range(100)
    }
    for key, body in acknowledged.items():
        if key in repeats:
            assert (repeats[key].content, repeats[key].headers["Idempotent-Replayed"]) == (body, "true")
    for repeat in repeats.values():
        assert len(charges_of(own_provider, repeat.json()["id"])) == 1


def test_the_file_itself_refuses_a_second_charge(own_provider: ProviderProcess) -> None:
    intent = post(own_provider, "payment_intents", CHARGED).json()["id"]
    database = sqlite3.connect(own_provider.data)
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(
            "INSERT INTO object (id, kind, body) SELECT 'ch_second', kind, body FROM object "
            "WHERE kind = 'charge' AND json_extract(body, '$.payment_intent') = ?",
            (intent,),
        )
    database.close()
