"""The audit asks a function for the rows of the read model. The function is a script here."""

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from shop_cli.operations.verify.sources import CouldNotCheckError, ShopSources, reading
from shop_cli.target import Function


def sources(answers: list[dict[str, Any]], asked: list[Any], *, rebuilt: bool = False) -> ShopSources:
    def invoke(**request: Any) -> dict[str, Any]:
        asked.append(json.loads(request["Payload"]))
        return {"Payload": io.BytesIO(json.dumps(answers.pop(0)).encode())}

    function = Function(SimpleNamespace(invoke=invoke), "shop-dispatch-production-verify")
    return ShopSources(lambda _: None, "table", "bucket", function, "operator", "", "", rebuilt)


@pytest.mark.parametrize("rebuilt", [False, True])
def test_a_table_is_read_to_its_last_page(rebuilt: bool) -> None:
    asked: list[Any] = []
    answers: list[dict[str, Any]] = [{"rows": [{"sku": "MUG"}], "next": ["MUG"]}, {"rows": [{"sku": "POT"}]}]
    assert list(sources(answers, asked, rebuilt=rebuilt).rows("products")) == [{"sku": "MUG"}, {"sku": "POT"}]
    request = {"table": "products", "rebuilt": rebuilt, "actor": "operator"}
    assert asked == [{**request, "after": None}, {**request, "after": ["MUG"]}]


def test_a_table_that_cannot_be_read_is_said_to_be_unchecked() -> None:
    with pytest.raises(CouldNotCheckError, match="could not be checked: no new tables are there"), reading():
        list(sources([{"error": "no new tables are there"}], []).rows("products"))
