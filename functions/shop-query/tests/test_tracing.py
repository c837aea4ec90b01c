import json
import socket

import pytest

from shop_observability import tracing
from shop_query.testing import Shop

ROOT = "1-5759e988-bd862e3fe1be46a994272793"


def test_a_sampled_read_sends_its_query_by_name(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.list_product("MUG")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{daemon.getsockname()[1]}")
        tracing._recorder.cache_clear()
        shop.get("/products/MUG", headers={"x-amzn-trace-id": f"Root={ROOT};Sampled=1"})
        document = json.loads(daemon.recv(65_535).split(b"\n", 1)[1])
        tracing._recorder().emitter._socket.close()
        tracing._recorder.cache_clear()
    assert (document["name"], document["trace_id"]) == ("shop-query", ROOT)
    [call] = document["subsegments"]
    assert (call["name"], call["namespace"]) == ("postgresql", "remote")
    assert call["sql"] == {"sanitized_query": "product"}
