"""Where the payment provider's keys come from, in the parameter store of moto."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from shop_cli.deployment.provider_keys import store
from shop_cli.errors import ShopError

VARIABLES = {"SHOP_PAYMENT_API_KEY": "sk_test_1", "SHOP_PAYMENT_WEBHOOK_SECRET": "whsec_1"}


@pytest.fixture
def ssm() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("ssm", region_name="us-east-1")


def stored(ssm: Any) -> dict[str, Any]:
    found = ssm.get_parameters_by_path(Path="/shop/dev/", WithDecryption=True)["Parameters"]
    return {each["Name"].rpartition("/")[2]: (each["Type"], each["Value"], each["Version"]) for each in found}


def test_variables_are_stored_once_and_replace_what_is_there(ssm: Any) -> None:
    assert list(store(ssm, "dev", VARIABLES, None)) == ["API key stored", "webhook secret stored"]
    assert list(store(ssm, "dev", VARIABLES, None)) == ["API key is there", "webhook secret is there"]
    assert list(store(ssm, "dev", {}, None)) == ["API key is there", "webhook secret is there"]
    rolled = VARIABLES | {"SHOP_PAYMENT_API_KEY": "rk_test_2"}
    assert list(store(ssm, "dev", rolled, None)) == ["API key replaced", "webhook secret is there"]
    # shop-command takes the version before, too: a key that has not changed must not get another version.
    assert stored(ssm) == {
        "payment-api-key": ("SecureString", "rk_test_2", 2),
        "payment-webhook-secret": ("SecureString", "whsec_1", 1),
    }


def test_what_is_missing_is_asked_for_and_the_webhook_may_come_later(ssm: Any) -> None:
    questions: list[str] = []
    answers = iter(["sk_test_1", "", "whsec_1"])
    ask = lambda question: (questions.append(question), next(answers))[1]  # type: ignore[func-returns-value]  # noqa: E731
    assert list(store(ssm, "dev", {}, ask)) == ["API key stored", "no webhook secret yet"]
    assert list(store(ssm, "dev", {}, ask)) == ["API key is there", "webhook secret stored"]
    assert ["webhook" in question for question in questions] == [False, True, True]


def test_without_a_terminal_a_missing_key_is_shown(ssm: Any) -> None:
    with pytest.raises(ShopError, match="set SHOP_PAYMENT_API_KEY"):
        list(store(ssm, "dev", {}, None))
    assert list(store(ssm, "dev", {"SHOP_PAYMENT_API_KEY": "sk_test_1"}, None))[1] == "no webhook secret yet"


def test_another_kind_of_key_is_refused_and_not_printed(ssm: Any) -> None:
    with pytest.raises(ShopError, match="has to begin with sk_ or rk_") as refused:
        list(store(ssm, "dev", {"SHOP_PAYMENT_API_KEY": "pk_test_public"}, None))
    assert "pk_test_public" not in str(refused.value)
    assert stored(ssm) == {}
