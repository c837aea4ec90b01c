from shop_observability.testing import ROOT, listening_daemon
from shop_query.testing import Shop


def test_a_sampled_read_sends_its_query_by_name(shop: Shop) -> None:
    shop.list_product("MUG")
    with listening_daemon() as daemon:
        shop.get("/products/MUG", headers={"x-amzn-trace-id": f"Root={ROOT};Sampled=1"})
        (document,) = daemon.documents()
    assert (document["name"], document["trace_id"]) == ("shop-query", ROOT)
    [call] = document["subsegments"]
    assert (call["name"], call["namespace"]) == ("postgresql", "remote")
    assert call["sql"] == {"sanitized_query": "product"}
