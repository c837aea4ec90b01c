"""The named queries through the command line, on the running shop's Athena."""

import csv
import io
import json
from typing import Any

from shop_cli.testing import Shop, eventually


def ask(shop: Shop, *arguments: str) -> Any:
    return json.loads(shop.command("athena", *arguments, "--json").stdout)


def test_what_was_sold_and_declined_is_in_the_answers_of_every_query(shop: Shop) -> None:
    sku = shop.new_product(stock=5, price_minor=1_250)
    reservation = shop.reserve(sku, 2)
    assert shop.purchase(reservation["reservation_id"], "pm_card_visa_chargeDeclinedInsufficientFunds").status == 402
    assert shop.purchase(reservation["reservation_id"], "pm_card_visa").status == 201

    def sold() -> list[Any]:
        rows = ask(shop, "revenue-by-day-and-product")["rows"]
        return [row for row in rows if row["sku"] == sku]

    [sale] = eventually(sold, bool)
    assert (sale["currency"], sale["units"], sale["revenue_minor"]) == ("EUR", 2, 2_500)
    day = f"from={sale['day']}"

    [conversion, *_] = ask(shop, "conversion-from-reserved-to-purchased", "--param", day)["rows"]
    ends = ("purchased", "cancelled", "expired", "still_open")
    assert conversion["purchased"] >= 1
    assert conversion["reserved"] == sum(conversion[end] for end in ends)
    causes = ask(shop, "expiries-and-declines-by-cause", "--param", day)["rows"]
    assert ("declined", "insufficient_funds") in [(row["ended"], row["cause"]) for row in causes]
    [times, *_] = ask(shop, "time-from-reservation-to-purchase", "--param", day)["rows"]
    assert 0 < times["p50_seconds"] <= times["p90_seconds"] <= times["p99_seconds"] <= times["longest_seconds"]

    history = shop.command("athena", "stream-history", "--param", f"stream={reservation['stream_id']}", "--csv")
    rows = list(csv.DictReader(io.StringIO(history.stdout)))
    published = shop.events(reservation["stream_id"])
    assert [(row["id"], row["time"], json.loads(row["data"])) for row in rows] == [
        (event["id"], event["time"], event["data"]) for event in published
    ]
    listed = shop.events(f"product-{sale['sku']}")[0]
    acts = ask(shop, "acts-of-an-administrator", "--param", day, "--param", f"administrator={listed['authid']}")["rows"]
    assert listed["id"] in [row["id"] for row in acts]
    queries = ask(shop)
    assert len(queries) == 6
    assert all(query["answers"] and query["parameters"] for query in queries)


def test_a_question_that_athena_does_not_know_ends_with_what_it_knows(shop: Shop) -> None:
    refused = shop.command("athena", "nothing", check=False)
    assert refused.returncode == 2
    assert "stream-history" in refused.stderr
