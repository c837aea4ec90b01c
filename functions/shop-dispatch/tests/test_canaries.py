"""No event's content and no exception's message is in a log line, a metric or a trace, whatever becomes of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from shop_database.testing import empty_database
from shop_dispatch import bootstrap
from shop_dispatch.application.archive import LINE_BYTES_MAX, ArchiveBatch
from shop_dispatch.handlers import archive, migrate, operators, parked, project, rebuild, verify
from shop_observability import metrics
from shop_observability.invocation import InvocationFailedError
from shop_observability.testing import HEADER, measured
from shop_shared.envelope import encode

CANARY = "canary8c41d2"


@pytest.fixture(autouse=True)
def sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", HEADER)


class Archive:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def put(self, _lines: Any) -> None:
        if self.error:
            raise self.error


def test_no_event_is_told_whether_it_is_applied_refused_or_parked(
    read_model: Any, product: Any, kinesis: Any, recorded: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "project", lambda: read_model.project_records)
    monkeypatch.setattr(bootstrap, "archive", lambda: ArchiveBatch(Archive()))
    mug, pot = product("MUG"), product("POT")
    listed = mug.listed(awstraceheader=HEADER)
    listed = listed.model_copy(update={"data": listed.data.model_copy(update={"name": CANARY, "description": CANARY})})
    refused = pot.listed(awstraceheader=HEADER)
    refused = refused.model_copy(update={"data": refused.data.model_copy(update={"name": f"{CANARY} refused"})})
    broken = json.loads(encode(mug.repriced(5)))
    broken["data"]["price"]["currency"] = CANARY
    broken["data"][f"field-{CANARY}"] = CANARY
    batch = kinesis(listed, refused, json.dumps(broken).encode(), f"{{{CANARY}".encode(), CANARY.encode())
    read_model.execute("ALTER TABLE shop.product ADD CONSTRAINT c CHECK (name NOT LIKE '% refused')")
    counts = project.handler(batch, None)
    assert (counts["applied"], counts["parked"]) == (1, 4)
    archive.handler(batch, None)
    everything = recorded()
    assert CANARY not in everything
    assert '"EventsParked":[4.0]' in everything
    assert '"EventsArchived":[3.0]' in everything
    assert '"stream_id": "product-MUG"' in everything
    causes = [cause for (cause,) in read_model.query("SELECT cause FROM shop.parked")]
    assert len(causes) == 4
    assert CANARY not in "".join(causes)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.UniqueViolation(f"DETAIL: Key (name)=({CANARY}) already exists."),
        ClientError({"Error": {"Code": "AccessDenied", "Message": CANARY}}, CANARY),
        ValueError(CANARY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_fails_a_batch_is_told_by_its_type_alone_and_the_batch_comes_again(
    product: Any, kinesis: Any, recorded: Callable[[], str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error from KeyError(CANARY)

    monkeypatch.setattr(bootstrap, "project", lambda: fail)
    monkeypatch.setattr(bootstrap, "archive", lambda: ArchiveBatch(Archive(error)))
    monkeypatch.setattr(bootstrap, "replay", lambda: fail)
    monkeypatch.setattr(bootstrap, "rebuild", fail)
    monkeypatch.setattr(bootstrap, "rows", fail)
    batch = kinesis(product("MUG").listed(awstraceheader=HEADER))
    for handler, event in (
        (project.handler, batch),
        (archive.handler, batch),
        (parked.handler, {"action": "replay", "ids": None}),
        (rebuild.handler, {"action": "status"}),
        (verify.handler, {"table": "reservations"}),
    ):
        with pytest.raises(InvocationFailedError, match=f"{type(error).__name__}") as escaped:
            handler(event, None)
        assert CANARY not in repr(escaped.value)
        assert escaped.value.__suppress_context__
    everything = recorded()
    assert CANARY not in everything
    assert everything.count(f'"exception_name":"{type(error).__name__}"') == 5
    assert everything.count('"error_type": ') == 5, "the segment says that it has failed"


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        (f"CREATE TABLE t AS SELECT '{CANARY}' n UNION ALL SELECT '{CANARY}'; CREATE UNIQUE INDEX i ON t (n)", "index"),
        (f"SELECT '{CANARY}'::integer", "22P02 InvalidTextRepresentation"),
        ("SELECT nothing", '42703 UndefinedColumn column "nothing" does not exist'),
    ],
)
def test_an_operator_is_told_what_was_refused_and_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, refusal: str
) -> None:
    (tmp_path / "0001_refused.sql").write_text(statement)
    monkeypatch.setattr(bootstrap, "migrations_folder", lambda: tmp_path)
    with empty_database() as database:
        monkeypatch.setenv("DATABASE_URL", database.url("shop_owner"))
        with pytest.raises(operators.RefusedByDatabaseError, match=refusal) as refused:
            migrate.handler({}, None)

    def fail() -> None:
        raise psycopg.errors.UniqueViolation(CANARY)

    monkeypatch.setattr(bootstrap, "parked", fail)
    with pytest.raises(operators.RefusedByDatabaseError, match=r"^23505 UniqueViolation$"):
        parked.handler({"action": "list"}, None)
    assert CANARY not in repr(refused.value)
    assert refused.value.__suppress_context__


def test_a_batch_that_changes_nothing_says_so(
    read_model: Any, product: Any, kinesis: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "project", lambda: read_model.project_records)
    monkeypatch.setattr(bootstrap, "archive", lambda: ArchiveBatch(Archive()))
    batch = kinesis(product("MUG").listed())
    project.handler(batch, None)
    capsys.readouterr()
    project.handler(batch, None)
    counted = measured(capsys.readouterr().out)
    assert counted == {
        "EventsApplied": [0.0],
        "EventsWaiting": [0.0],
        "EventsParked": [0.0],
        "EventsConflicting": [0.0],
    }
    archive.handler(kinesis(b"no event"), None)
    assert measured(capsys.readouterr().out) == {}
    archive.handler(kinesis(encode(product("POT").listed()).replace(b"tea", b"t" * LINE_BYTES_MAX)), None)
    assert measured(capsys.readouterr().out) == {"EventsTooLarge": [1.0]}
    monkeypatch.setattr(metrics, "_is_cold", True)
    archive.handler(batch, None)
    assert measured(capsys.readouterr().out) == {"ColdStarts": [1.0], "EventsArchived": [1.0]}
