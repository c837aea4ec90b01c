"""A function's calls of AWS name the function, and cost no more than they need."""

import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from shop_observability import aws_clients

CHECKOUT = Path(__file__).parents[3]


def test_a_request_names_the_sdk_and_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    config = aws_clients.settings("shop-command", connect_timeout=1)
    client: Any = botocore.session.get_session().create_client("dynamodb", region_name="us-east-1", config=config)
    agents: list[str] = []

    def answer(request: Any, **_: Any) -> None:
        agents.append(request.headers["User-Agent"].decode())
        raise InterruptedError

    client.meta.events.register("before-send", answer)
    with pytest.raises(InterruptedError):
        client.get_item(TableName="shop", Key={})
    assert re.match(r"Botocore/[0-9.]+ lang/python#3\.[0-9.]+ app/shop-command", agents[0])
    assert client.meta.config.connect_timeout == 1
    client.close()


def test_no_function_configures_a_client_elsewhere() -> None:
    sources = [path for path in CHECKOUT.glob("functions/*/src/**/*.py") if "testing" not in path.parts]
    assert sources
    assert [path.name for path in sources if re.search(r"botocore\.config|\bConfig\(", path.read_text())] == []
    clients = [
        line
        for path in sources
        for line in path.read_text().splitlines()
        if re.search(r"create_client|Session\(\)\.client|boto3\.client", line)
    ]
    assert clients
    assert [line for line in clients if "config=" not in line] == []
