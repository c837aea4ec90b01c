"""The audit asks a function for the rows of the read model. The function is a script here."""

import io
import json
from typing import Any

import pytest

from shop_cli.operations.verify.sources import CouldNotCheckError, ShopSources, reading
from shop_cli.target import Target

OPERATOR = "arn:aws:iam::123456789012:user/operator"


class Lambda:
    """Answers each invocation with the next answer."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.events: list[dict[str, Any]] = []

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": OPERATOR}

    def get_parameter(self, **_: Any) -> dict[str, Any]:
        return {"Parameter": {"Value": "sk_test"}}

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert FunctionName == "shop-dispatch-production-verify"
        self.events.append(json.loads(Payload))
        return {"Payload": io.BytesIO(json.dumps(self.answers.pop(0)).encode())}


def sources(client: Lambda, monkeypatch: pytest.MonkeyPatch, *, rebuilt: bool = False) -> ShopSources:
    monkeypatch.setattr(Target, "client", lambda *_: client)
    monkeypatch.setattr(Target, "outputs", {"TableName": "table", "BucketName": "bucket"})
    return ShopSources.of(Target.of("production"), "https://api.stripe.com", rebuilt=rebuilt)


@pytest.mark.parametrize("rebuilt", [False, True])
def test_a_table_is_read_to_its_last_page(monkeypatch: pytest.MonkeyPatch, rebuilt: bool) -> None:
    client = Lambda({"rows": [{"sku": "MUG"}], "next": ["MUG"]}, {"rows": [{"sku": "POT"}]})
    assert list(sources(client, monkeypatch, rebuilt=rebuilt).rows("products")) == [{"sku": "MUG"}, {"sku": "POT"}]
    asked = {"table": "products", "rebuilt": rebuilt, "actor": OPERATOR}
    assert client.events == [{**asked, "after": None}, {**asked, "after": ["MUG"]}]


def test_a_table_that_cannot_be_read_is_said_to_be_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Lambda({"error": "no new tables are there"})
    with pytest.raises(CouldNotCheckError, match="could not be checked: no new tables are there"), reading():
        list(sources(client, monkeypatch).rows("products"))
