"""An answer is on its way before the API gives up waiting, however many calls are slow."""

import json
from pathlib import Path
from typing import Any

import boto3

from shop_command import bootstrap
from shop_command.adapters.payment import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from shop_command.handlers import api
from shop_command.ports import deadline
from shop_command.testing.shop import LambdaContext

EVENTS = Path(__file__).parents[1] / "events"
FUNCTION_SECONDS = 29
"""serverless.yml; the API waits for 30."""


class LittleTime(LambdaContext):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def send(name: str, seconds: float = FUNCTION_SECONDS) -> tuple[int, dict[str, Any]]:
    answer = api.handler(json.loads((EVENTS / name).read_text()), LittleTime(seconds))
    return answer["statusCode"], json.loads(answer["body"])


def test_a_call_of_aws_takes_no_longer_than_what_is_kept_free_for_it() -> None:
    config: Any = bootstrap.AWS_CONFIG
    tries = config.retries["total_max_attempts"]
    pauses_max = sum(2**attempt for attempt in range(tries - 1))  # botocore's standard mode: up to 1 s, 2 s, 4 s ...
    longest = tries * (config.connect_timeout + config.read_timeout) + pauses_max
    assert config.retries["mode"] == "standard"
    assert longest == deadline.AWS_CALL_SECONDS_MAX


def test_two_slow_calls_of_the_provider_leave_time_to_record_what_it_said() -> None:
    provider = 2 * (CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS)
    assert provider <= FUNCTION_SECONDS - deadline.ANSWER_SECONDS
    answered_at_last = 2 * READ_TIMEOUT_SECONDS
    assert answered_at_last + deadline.AWS_CALL_SECONDS_MAX <= FUNCTION_SECONDS - deadline.ANSWER_SECONDS


def test_without_time_for_a_call_it_is_not_begun(deployed: boto3.Session) -> None:
    status, body = send("list-product.json", seconds=deadline.AWS_CALL_SECONDS_MAX)
    assert (status, body["type"]) == (503, "https://shop.example/problems/try-again")
    assert deployed.client("dynamodb").scan(TableName="shop-test")["Items"] == []


def test_without_time_for_the_publication_events_stay_due(deployed: boto3.Session) -> None:
    send("list-product.json")
    journal = bootstrap.application().products.journal
    events = journal.store.events("product-SAMPLE-MUG")
    with deadline.ending_in(deadline.AWS_CALL_SECONDS_MAX):
        assert journal.publisher.publish(events) == []
    assert journal.publisher.publish(events) == list(events)


def test_no_card_is_charged_when_no_time_is_left_to_hear_of_it(deployed: boto3.Session) -> None:
    send("list-product.json")
    send("receive-stock.json")
    send("reserve.json")
    seconds = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS + deadline.ANSWER_SECONDS - 0.1
    status, body = send("purchase.json", seconds)
    assert (status, body["type"]) == (503, "https://shop.example/problems/payment-unavailable")
    assert send("purchase.json")[0] == 201
