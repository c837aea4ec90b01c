"""Servers are taken away while customers buy. `make outage` stops PostgreSQL for a minute."""

import os
import signal

import psycopg

from shop_cli.testing import Shop, eventually, run_bench


def test_while_postgresql_is_away_customers_buy_and_afterwards_nothing_is_lost_or_doubled(shop: Shop) -> None:
    printed = run_bench(shop, "outage", "--seconds", "5", "--kill", seconds_max=200)
    assert "GET /products: " in printed
    assert "times 503" in printed  # it was away
    answers = [line.split()[-1] for line in printed.splitlines() if line.strip().startswith("POST")]
    assert set(answers) == {"201"}


def test_the_local_aws_is_killed_while_customers_buy_and_nothing_acknowledged_is_lost(shop: Shop) -> None:
    """`make outage` ends the other servers in the same way, and takes minutes for each."""
    printed = run_bench(shop, "outage", "--seconds", "0", "--kill", "aws", seconds_max=3_600)
    assert "aws killed: the shop ran again" in printed
    assert "what customers were answered is in the read model" in printed
    assert "POST /purchase: " in printed


def test_what_the_read_model_has_lost_is_made_anew_when_the_shop_is_mended(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    head = "SELECT stream_version FROM shop.stream_head WHERE stream_id = %s"
    stream = [reservation["stream_id"]]
    with psycopg.connect(shop.status["database_url"], autocommit=True) as connection:
        eventually(lambda: connection.execute(head, stream).fetchone(), lambda row: row == (1,))
        connection.execute("DELETE FROM shop.stream_head WHERE stream_id = %s", stream)
        connection.execute("DELETE FROM shop.event_log WHERE stream_id = %s", stream)
        connection.execute("DELETE FROM shop.reservation WHERE reservation_id = %s", [reservation["reservation_id"]])
    os.kill(shop.pid("postgres"), signal.SIGKILL)

    broken = eventually(lambda: shop.command("status", check=False), lambda status: status.returncode != 0)
    assert "postgres has ended: ./shop up starts it again" in broken.stderr
    others = [shop.pid(name) for name in ("aws", "payment", "xray")]
    mended = shop.command("up", "--detach", seconds_max=540)
    assert "events of the store" in mended.stdout
    assert "DynamoDB, payments, PostgreSQL and archive agree" in mended.stdout
    assert [shop.pid(name) for name in ("aws", "payment", "xray")] == others
    assert shop.command("verify").returncode == 0
