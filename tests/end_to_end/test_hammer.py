"""Every route is sent at random, twice at once, again and wrong. `make hammer` does it at length."""

from shop_cli.testing import Shop, run_bench


def test_what_is_hammered_answers_as_the_document_says_and_each_repeat_alike(shop: Shop) -> None:
    printed = run_bench(shop, "hammer", "--minutes", "0.4", "--seed", "4", seconds_max=300)
    assert "| POST /purchase | 201: " in printed
