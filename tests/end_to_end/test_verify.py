"""`shop verify` against the running shop: clean as it is, and whatever is corrupted in one of its systems is named."""

import base64
import contextlib
import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from shop_cli.testing import ROOT, Shop, eventually, run_shop

Identity = tuple[str, str, str]
"""Check, subject, and what differs there."""
Corruption = Callable[[Shop, dict[str, Any]], AbstractContextManager[set[Identity]]]
NO_WAIT = ("verify", "--json", "--wait-seconds", "0")


def named(result: subprocess.CompletedProcess[str]) -> set[Identity]:
    """The differences, without those of the sample events: other tests hand them to the functions, around the store."""
    assert result.returncode in (0, 1), result.stderr
    document = json.loads(result.stdout)
    assert document["clean"] == (result.returncode == 0)
    found = {
        (check["check"], each["subject"], each["what"]) for check in document["checks"] for each in check["differences"]
    }
    return {identity for identity in found if not any(sample in identity[1] for sample in samples())}


def samples() -> set[str]:
    """Ids, SKUs and reservation ids of shop-dispatch's sample events."""
    found = set()
    for path in (ROOT / "functions" / "shop-dispatch" / "events").glob("*.json"):
        for record in json.loads(path.read_text()).get("Records", []):
            event = json.loads(base64.b64decode(record["kinesis"]["data"]))
            found |= {event["id"], event["subject"].partition("-")[2]}
    return found


@pytest.fixture(scope="module")
def purchase(shop: Shop) -> dict[str, Any]:
    """A purchase of one piece of a product of its own, arrived everywhere."""
    category = "audited"
    sku = shop.new_product(stock=3, category=category)
    reservation = shop.reserve(sku)
    paid = shop.purchase(reservation["reservation_id"], "pm_card_visa")
    assert paid.status == 201
    day = shop.events(paid.body["stream_id"])[-1]["time"][:10]
    return {**paid.body, "sku": sku, "category": category, "day": day, "month": f"{day[:7]}-01"}


def test_a_shop_that_was_used_is_clean(shop: Shop, purchase: dict[str, Any]) -> None:
    declined = shop.reserve(purchase["sku"])
    assert shop.purchase(declined["reservation_id"], "pm_card_visa_chargeDeclined").status == 402
    assert named(shop.command("verify", "--json", "--wait-seconds", "30", check=False)) == set()


def test_a_stage_is_audited_through_aws_alone(shop: Shop, purchase: dict[str, Any], tmp_path: Path) -> None:
    """The emulator in place of AWS, and no local shop's folder to look into."""
    variables = {
        "AWS_ENDPOINT_URL": shop.status["aws_endpoint_url"],
        "AWS_ACCESS_KEY_ID": shop.status["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": shop.status["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "SHOP_HOME": str(tmp_path),
    }
    where = ["--payment-url", shop.status["payment_url"]]
    result = subprocess.run(
        [ROOT / "shop", *NO_WAIT, "--stage", "local", *where],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert named(result) == set()
    assert json.loads(result.stdout)["checks"][0]["examined"] > 0


def test_a_shop_that_does_not_run_can_not_be_checked(tmp_path: Path) -> None:
    result = run_shop(tmp_path, *NO_WAIT, check=False)
    assert result.returncode == 2
    assert "not running" in result.stderr


def test_every_corruption_is_named_and_undone_leaves_the_shop_clean(shop: Shop, purchase: dict[str, Any]) -> None:
    eventually(lambda: named(shop.command(*NO_WAIT, check=False)), lambda differences: not differences)
    expected: set[Identity] = set()
    with ExitStack() as undone_at_the_end:
        for corrupt in CORRUPTIONS:
            expected |= undone_at_the_end.enter_context(corrupt(shop, purchase))
        assert expected - named(shop.command(*NO_WAIT, check=False)) == set()
    assert named(shop.command(*NO_WAIT, check=False)) == set()


def test_a_changed_event_is_reported_by_the_stores_own_change_stream(shop: Shop) -> None:
    logs, group = shop.client("logs"), "/aws/lambda/shop-command-local-integrity"
    sku = shop.new_product(stock=1)

    def reported() -> list[dict[str, Any]]:
        events = logs.filter_log_events(logGroupName=group, filterPattern=f'"product-{sku}"')["events"]
        return [json.loads(event["message"]) for event in events]

    with another_quantity_in_an_event(shop, {"sku": sku}):
        [line] = eventually(reported, lambda lines: len(lines) == 1)
    assert line["message"] == "an event was changed in the store"
    assert (line["stream_id"], line["change"], line["attributes"]) == (f"product-{sku}", "MODIFY", ["event"])
    eventually(reported, lambda lines: len(lines) == 2)  # being put back is a change, too


# Each corruption is there while its block runs, and yields what must be named meanwhile.


@contextmanager
def changed_item(shop: Shop, pk: str, sk: str, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    dynamodb, table = shop.client("dynamodb"), shop.status["table_name"]
    item = dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True)["Item"]
    changed = dict(item)
    change(changed)
    dynamodb.put_item(TableName=table, Item=changed)
    try:
        yield
    finally:
        dynamodb.put_item(TableName=table, Item=item)


@contextmanager
def another_quantity_in_an_event(shop: Shop, purchase: dict[str, Any]) -> Iterator[set[Identity]]:
    stream_id = f"product-{purchase['sku']}"

    def change(item: dict[str, Any]) -> None:
        event = json.loads(item["event"]["S"])
        event["data"]["quantity"] += 1
        item["event"] = {"S": json.dumps(event)}

    with changed_item(shop, stream_id, "event#0000000002", change):
        yield {("lives", f"{stream_id}/2", "allocations"), ("heads", f"{stream_id}/2", "digest")}


@contextmanager
def a_lost_event(shop: Shop, _: dict[str, Any]) -> Iterator[set[Identity]]:
    reservation = shop.reserve(shop.new_product(stock=1))
    pk, stream_id = {"S": reservation["stream_id"]}, reservation["stream_id"]
    dynamodb, table = shop.client("dynamodb"), shop.status["table_name"]
    key = {"pk": pk, "sk": {"S": "event#0000000001"}}
    item = dynamodb.get_item(TableName=table, Key=key)["Item"]
    dynamodb.delete_item(TableName=table, Key=key)
    try:
        event_id = json.loads(item["event"]["S"])["id"]
        yield {
            ("states", stream_id, "version"),
            ("archive", event_id, "presence"),
            ("heads", stream_id, "stream_version"),
        }
    finally:
        dynamodb.put_item(TableName=table, Item=item)


@contextmanager
def another_status_in_a_state(shop: Shop, purchase: dict[str, Any]) -> Iterator[set[Identity]]:
    def change(item: dict[str, Any]) -> None:
        item["state"] = {"S": item["state"]["S"].replace('"purchased"', '"refunded"')}

    with changed_item(shop, purchase["stream_id"], "state", change):
        yield {("states", purchase["stream_id"], "status")}


@contextmanager
def more_stock(shop: Shop, purchase: dict[str, Any]) -> Iterator[set[Identity]]:
    sku = purchase["sku"]
    with changed_item(shop, f"stock#{sku}#0", "state", lambda item: item.update(available={"N": "99"})):
        yield {
            ("stock", f"{sku}#0", "available"),
            ("stock", sku, "available + held + sold of all buckets, as received"),
        }


@contextmanager
def something_overdue(shop: Shop, purchase: dict[str, Any]) -> Iterator[set[Identity]]:
    """It is in a partition of the index that no sweep reads, so that none repairs it meanwhile."""
    due = {"due_shard": {"S": "99"}, "due_at": {"S": "2020-01-01T00:00:00.000Z"}}
    with changed_item(shop, purchase["stream_id"], "event#0000000003", lambda item: item.update(due)):
        yield {("due", f"{purchase['stream_id']}/event#0000000003", "due_at")}


def changed_row(table: str, key: str, column: str, by: int, *identity: str) -> Corruption:
    """A number in one row of the read model. Names in braces are those of the purchase, `key` is one of these too."""

    @contextmanager
    def corrupt(shop: Shop, purchase: dict[str, Any]) -> Iterator[set[Identity]]:
        names = {"table": sql.Identifier("shop", table), "key": sql.Identifier(key), "column": sql.Identifier(column)}
        update = sql.SQL("update {table} set {column} = {column} + %s where {key} = %s").format(**names)
        with psycopg.connect(shop.status["database_url"], autocommit=True) as connection:
            assert connection.execute(update, [by, purchase[key]]).rowcount == 1
            try:
                check, subject, what = identity
                yield {(check, subject.format(**purchase), what)}
            finally:
                connection.execute(update, [-by, purchase[key]])

    return corrupt


@contextmanager
def a_lost_line(shop: Shop, purchase: dict[str, Any]) -> Iterator[set[Identity]]:
    """Removes one line of an archived object, which may hold other events too."""
    s3, bucket = shop.client("s3"), shop.status["bucket_name"]
    lost = shop.events(purchase["stream_id"])[0]["id"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="events/"):
        for entry in page.get("Contents", []):
            where = {"Bucket": bucket, "Key": entry["Key"]}
            body = s3.get_object(**where)["Body"].read()
            if lost.encode() in body:
                s3.put_object(Body=b"".join(it for it in body.splitlines(True) if lost.encode() not in it), **where)
                try:
                    yield {("archive", lost, "presence")}
                finally:
                    s3.put_object(Body=body, **where)
                return
    raise AssertionError("the purchase is not in the archive")


@contextmanager
def an_object_of_nobody(shop: Shop, purchase: dict[str, Any]) -> Iterator[set[Identity]]:
    s3, where = shop.client("s3"), {"Bucket": shop.status["bucket_name"], "Key": "events/date=2020-01-01/forged.json"}
    event = shop.events(purchase["stream_id"])[0] | {"id": "00000000-0000-7000-8000-000000000000"}
    s3.put_object(Body=json.dumps(event).encode() + b"\n", **where)
    try:
        yield {("archive", event["id"], "presence")}
    finally:
        s3.delete_object(**where)


@contextmanager
def provider_file(shop: Shop) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(shop.home / "payments.sqlite", timeout=10)) as database, database:
        yield database


@contextmanager
def a_lost_charge(shop: Shop, _: dict[str, Any]) -> Iterator[set[Identity]]:
    reservation = shop.reserve(shop.new_product(stock=1))
    intent = shop.purchase(reservation["reservation_id"], "pm_card_visa").body["payment_intent_id"]
    charge = shop.provider("GET", f"/v1/charges?payment_intent={intent}")["data"][0]
    with provider_file(shop) as database:
        database.execute("DELETE FROM object WHERE id = ?", (charge["id"],))
    try:
        yield {("payments", intent, "captured charges")}
    finally:
        with provider_file(shop) as database:
            database.execute(
                "INSERT INTO object (id, kind, body) VALUES (?, 'charge', ?)", (charge["id"], json.dumps(charge))
            )


@contextmanager
def a_charge_of_nobody(shop: Shop, purchase: dict[str, Any]) -> Iterator[set[Identity]]:
    intent = shop.provider("GET", f"/v1/payment_intents/{purchase['payment_intent_id']}") | {"id": "pi_forged"}
    charge = shop.provider("GET", f"/v1/charges/{intent['latest_charge']}")
    charge |= {"id": "ch_forged", "payment_intent": "pi_forged"}
    with provider_file(shop) as database:
        for each in (intent, charge):
            row = (each["id"], each["object"], json.dumps(each))
            database.execute("INSERT INTO object (id, kind, body) VALUES (?, ?, ?)", row)
    try:
        yield {("payments", "pi_forged", "kept of ch_forged")}
    finally:
        with provider_file(shop) as database:
            database.execute("DELETE FROM object WHERE id IN ('pi_forged', 'ch_forged')")


CORRUPTIONS: list[Corruption] = [
    another_quantity_in_an_event,
    a_lost_event,
    another_status_in_a_state,
    more_stock,
    something_overdue,
    changed_row("product", "sku", "price_minor", 1, "products", "{sku}", "price_minor"),
    changed_row("category", "category", "products", 1, "categories", "{category}", "products"),
    changed_row("stock", "sku", "sold", -1, "products", "{sku}", "available"),
    changed_row("sales_daily", "sku", "units", 1, "sales_daily", "{day}/{sku}/EUR", "units"),
    changed_row("sales_monthly", "sku", "units", 1, "sales_monthly", "{month}/{sku}/EUR", "units"),
    changed_row("reservation", "reservation_id", "total_minor", -1, "purchases", "{purchase_id}", "total_minor"),
    changed_row("stream_head", "stream_id", "stream_version", -1, "heads", "{stream_id}", "stream_version"),
    a_lost_line,
    an_object_of_nobody,
    a_lost_charge,
    a_charge_of_nobody,
]
