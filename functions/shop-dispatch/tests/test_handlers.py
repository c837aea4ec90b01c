"""The handlers with whole Lambda events, wired by the function's own bootstrap."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from moto import mock_aws

from shop_database import connect
from shop_database.testing import empty_database
from shop_dispatch import bootstrap
from shop_dispatch.handlers import archive, migrate, project
from shop_dispatch.handlers.kinesis import NAMED_EVENTS_MAX
from shop_observability.invocation import InvocationFailedError
from shop_observability.testing import HEADER, PARENT, ROOT, Daemon
from shop_observability.tracing import TRACED_EVENTS_MAX
from shop_shared.envelope import decode

EVENTS = Path(__file__).parents[1] / "events"
MIGRATIONS = sorted(file.stem for file in (Path(__file__).parents[1] / "migrations").iterdir())


@pytest.fixture(autouse=True)
def traced(daemon: Daemon) -> None:
    """The daemon listens in every test of this module."""


@pytest.fixture
def projecting(read_model: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(bootstrap, "project", lambda: read_model.project_records)
    return read_model


@pytest.fixture
def archiving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DELIVERY_STREAM_NAME", "events")
    bootstrap.archive.cache_clear()
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="archive")
        boto3.client("firehose").create_delivery_stream(
            DeliveryStreamName="events",
            ExtendedS3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::123456789012:role/firehose",
                "BucketARN": "arn:aws:s3:::archive",
            },
        )
        yield s3
    bootstrap.archive.cache_clear()


def forget() -> None:
    """Clears every part that the bootstrap keeps."""
    for kept in (bootstrap.project, bootstrap.parked, bootstrap.replay, bootstrap._kept_connection):
        kept.cache_clear()


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return event


def test_the_sample_events_make_a_product_and_a_purchase_of_it(projecting: Any) -> None:
    counts = project.handler(sample("project-product-listed.json"), None)
    assert counts == {"records": 2, "applied": 2, "waiting": 0, "duplicates": 0, "parked": 0, "conflicts": 0}
    counts = project.handler(sample("project-purchase.json"), None)
    assert (counts["applied"], counts["waiting"]) == (3, 0)
    ((sku, available),) = projecting.query("SELECT sku, available FROM read_v1.products", "shop_query")
    ((status, lines),) = projecting.query("SELECT status, lines FROM read_v1.purchases", "shop_query")
    assert status == "purchased"
    assert lines[0]["sku"] == sku
    assert available == 40 - lines[0]["quantity"]
    assert project.handler(sample("project-purchase.json"), None)["duplicates"] == 3


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.name)
def test_every_sample_record_is_an_event_in_its_streams_partition(path: Path) -> None:
    batch = json.loads(path.read_text())
    if path.name in ("migrate.json", "rebuild.json"):
        assert batch in ({}, {"action": "status"})
        return
    assert batch["Records"]
    for record in batch["Records"]:
        envelope = decode(base64.b64decode(record["kinesis"]["data"]))
        assert envelope.subject == envelope.partitionkey == record["kinesis"]["partitionKey"]


@pytest.mark.parametrize("data", ["no base64", "eyJ", "e\n30=", "é", "\ud800", "", None, 5])
def test_a_record_that_is_not_base64_is_parked_and_left_out_of_the_archive_and_the_batch_goes_on(
    projecting: Any, archiving: Any, product: Any, kinesis: Any, data: Any
) -> None:
    batch = kinesis(b"x", product("MUG").listed())
    batch["Records"][0]["kinesis"]["data"] = data
    counts = project.handler(batch, None)
    assert (counts["applied"], counts["parked"]) == (1, 1)
    [(payload,)] = projecting.query("SELECT payload FROM shop.parked")
    assert payload == str(data).encode(errors="surrogatepass")
    assert archive.handler(batch, None)["skipped"] == 1
    assert archiving.list_objects_v2(Bucket="archive")["KeyCount"] == 1


def test_a_batch_is_one_log_line(projecting: Any, product: Any, kinesis: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        project.handler(kinesis(product("MUG").listed(), b"poison"), None)
    (line,) = (vars(entry) for entry in caplog.records)
    expected = {"message": "projected", "records": 2, "applied": 1, "waiting": 0, "duplicates": 0, "parked": 1}
    assert expected.items() <= line.items()
    assert line["duration_ms"] >= 0
    assert "traces" not in line
    assert (line["stream_ids"], line["correlation_ids"], line["trace_ids"]) == (["product-MUG"], ["correlation-1"], [])


def test_a_batchs_line_names_its_first_fifty_events(
    projecting: Any, product: Any, kinesis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    batch = [product(f"MUG-{number}").listed() for number in range(120)]
    with caplog.at_level("INFO"):
        project.handler(kinesis(*batch), None)
    (line,) = (vars(entry) for entry in caplog.records)
    assert line["applied"] == 120
    assert line["stream_ids"] == sorted(event.subject for event in batch)[:NAMED_EVENTS_MAX]


def test_a_batch_tells_what_it_did_and_how_long_its_oldest_event_took(
    projecting: Any, product: Any, kinesis: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    mug, pot = product("MUG"), product("POT")
    listed, _, repriced = pot.listed(), pot.received(), pot.repriced(990)
    a_minute_ago = mug.add(mug.listed().data, time=datetime.now(UTC) - timedelta(minutes=1))
    project.handler(kinesis(listed, repriced, b"poison", a_minute_ago.model_copy(update={"streamversion": 1})), None)
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [(line["EventsApplied"], line["EventsWaiting"], line["EventsParked"]) for line in metrics] == [
        ([2.0], [1.0], [1.0])
    ]
    assert metrics[0]["SecondsToVisible"][0] > 60
    project.handler(kinesis(b"poison"), None)
    (line,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    assert "SecondsToVisible" not in line


def test_an_event_is_told_of_in_the_trace_of_the_request_that_it_came_from(
    *,
    projecting: Any,
    product: Any,
    kinesis: Any,
    daemon: Daemon,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    own = "1-5759e988-cccccccccccccccccccccccc"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={own};Sampled=1")
    mug = product("MUG").listed(awstraceheader=HEADER)
    unsampled = product("POT").listed(awstraceheader=HEADER.replace("Sampled=1", "Sampled=0"))
    project.handler(kinesis(mug, unsampled, product("TEA").listed()), None)
    event, batch = daemon.documents()
    assert (batch["trace_id"], batch["annotations"]) == (own, {"function": "project", "records": 3})
    assert (event["trace_id"], event["parent_id"]) == (ROOT, PARENT)
    assert event["annotations"] == {
        "function": "project",
        "stream_id": "product-MUG",
        "event_type": "shop.product.listed.v1",
        "correlation_id": "correlation-1",
        "invocation_trace_id": own,
    }
    assert event["links"] == [{"trace_id": own, "id": batch["id"]}]
    (line,) = (vars(entry) for entry in caplog.records)
    assert line["trace_id"] == own
    assert line["trace_ids"] == [ROOT]
    assert line["stream_ids"] == ["product-MUG", "product-POT", "product-TEA"]
    for document in (batch, event):
        assert [(call["name"], call["namespace"], call["sql"]) for call in document["subsegments"]] == [
            ("postgresql", "remote", {"database_type": "PostgreSQL", "user": "shop_dispatch"})
        ]
    assert event["subsegments"][0]["start_time"] == pytest.approx(batch["subsegments"][0]["start_time"], abs=0.01)


def test_an_event_held_back_is_told_of_when_it_is_applied(
    projecting: Any, product: Any, kinesis: Any, daemon: Daemon
) -> None:
    mug = product("MUG")
    listed, repriced = mug.listed(), mug.add(mug.repriced(990).data, awstraceheader=HEADER)
    repriced = repriced.model_copy(update={"streamversion": 2})
    project.handler(kinesis(repriced), None)
    assert daemon.documents() == []
    project.handler(kinesis(listed), None)
    (document,) = daemon.documents()
    assert document["annotations"]["event_type"] == "shop.product.repriced.v1"


def test_a_backlog_tells_of_its_first_fifty_events(projecting: Any, product: Any, kinesis: Any, daemon: Daemon) -> None:
    batch = [product(f"MUG-{number}").listed(awstraceheader=HEADER) for number in range(120)]
    assert project.handler(kinesis(*batch), None)["applied"] == 120
    assert len(daemon.documents()) == TRACED_EVENTS_MAX == 50


def test_the_archive_gets_its_lines_and_its_segments(
    archiving: Any, product: Any, kinesis: Any, daemon: Daemon
) -> None:
    counts = archive.handler(kinesis(product("MUG").listed(awstraceheader=HEADER), b"poison"), None)
    assert counts == {"records": 2, "archived": 1, "skipped": 1, "too_large": 0}
    (document,) = daemon.documents()
    assert document["annotations"]["stream_id"] == "product-MUG"
    call = document["subsegments"][0]
    assert (call["name"], call["namespace"]) == ("Firehose", "aws")
    assert call["aws"] == {"operation": "PutRecordBatch", "record_count": 1}
    assert archive.handler(sample("archive.json"), None)["skipped"] == 0
    assert len(archiving.list_objects_v2(Bucket="archive")["Contents"]) == 2


def test_migrate_applies_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with empty_database() as database:
        monkeypatch.setenv("DATABASE_URL", database.url("shop_owner"))
        assert migrate.handler({}, None) == {"applied": MIGRATIONS, "current": MIGRATIONS[-1]}
        assert migrate.handler({}, None) == {"applied": [], "current": MIGRATIONS[-1]}


def test_two_migrations_at_once_apply_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with empty_database() as database, ThreadPoolExecutor(3) as pool:
        monkeypatch.setenv("DATABASE_URL", database.url("shop_owner"))
        answers = list(pool.map(lambda _: migrate.handler({}, None), range(3)))
    assert sorted(name for answer in answers for name in answer["applied"]) == MIGRATIONS


@pytest.mark.parametrize("layout", ["shop_dispatch", "src/shop_dispatch"])
def test_the_migrations_are_found_in_the_zip_and_in_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    (tmp_path / "migrations").mkdir()
    monkeypatch.setattr(bootstrap, "__file__", str(tmp_path / layout / "bootstrap.py"))
    assert bootstrap.migrations_folder() == tmp_path / "migrations"


def test_the_functions_own_wiring_connects_as_the_environment_says(
    read_model: Any, monkeypatch: pytest.MonkeyPatch, product: Any, kinesis: Any
) -> None:
    opened: list[psycopg.Connection] = []

    def connect_once(*arguments: Any, **options: Any) -> psycopg.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(bootstrap, "connect", connect_once)
    monkeypatch.setenv("DATABASE_URL", read_model.database.url("shop_dispatch"))
    forget()
    for sku in ("MUG", "POT"):
        assert project.handler(kinesis(product(sku).listed()), None)["applied"] == 1
    (connection,) = opened
    assert connection.info.user == "shop_dispatch"
    assert connection.info.parameter_status("application_name") == "shop-dispatch"
    connection.close()
    forget()


def test_a_database_that_is_away_raises_so_that_the_batch_comes_again(
    monkeypatch: pytest.MonkeyPatch, product: Any, kinesis: Any
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop_dispatch@127.0.0.1:1/shop")
    forget()
    with pytest.raises(InvocationFailedError, match="NoConnectionError"):
        project.handler(kinesis(product("MUG").listed()), None)
    forget()
