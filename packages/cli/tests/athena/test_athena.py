"""`shop athena` as its users meet it, before an Athena that answers as the real one does."""

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from shop_cli.main import app
from shop_cli.operations.athena import queries, run
from shop_cli.operations.athena.queries import NamedQuery
from shop_cli.target import Target

SALES = "-- What was sold.\n-- By day.\nSELECT day FROM events WHERE day BETWEEN '{from}' AND '{to}'"
HISTORY = "-- A stream.\nSELECT 1 FROM events WHERE subject = '{stream}'"
OWN = "SELECT 1 FROM events WHERE sku = '{sku}'"
TODAY = datetime.now(UTC).date()


@dataclass
class FakeAthena:
    """The calls that are made of the API, with its pages and its states."""

    states: list[str] = field(default_factory=lambda: ["QUEUED", "RUNNING", "SUCCEEDED"])
    texts: dict[str, str] = field(default_factory=lambda: {"sales": SALES, "history": HISTORY, "own": OWN})
    started: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def get_paginator(self, operation: str) -> Any:
        pages: dict[str, Any] = {"list_named_queries": self._list, "get_query_results": self._results}
        return SimpleNamespace(paginate=pages[operation])

    def batch_get_named_query(self, NamedQueryIds: list[str]) -> dict[str, Any]:  # noqa: N803 - the API's name
        assert len(NamedQueryIds) <= 50
        found = [{"Name": each, "QueryString": self.texts[each], "Database": "shop_local"} for each in NamedQueryIds]
        return {"NamedQueries": found}

    def start_query_execution(self, **arguments: Any) -> dict[str, str]:
        self.started.append(arguments)
        return {"QueryExecutionId": "execution-1"}

    def get_query_execution(self, **_: str) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        status = {"State": state, "StateChangeReason": "SYNTAX_ERROR: line 1"}
        return {"QueryExecution": {"Status": status, "Statistics": {"DataScannedInBytes": 12_345}}}

    def stop_query_execution(self, QueryExecutionId: str) -> None:  # noqa: N803 - the API's name
        self.stopped.append(QueryExecutionId)

    def _list(self, WorkGroup: str) -> list[dict[str, Any]]:  # noqa: N803 - the API's name
        assert WorkGroup == "shop-local"
        names = list(self.texts)
        return [{"NamedQueryIds": names[:2]}, {"NamedQueryIds": names[2:]}]

    def _results(self, **_: str) -> list[dict[str, Any]]:
        """The names of the columns are the first row of the first page. NULL is a cell without a value."""
        columns = [{"Name": "day", "Type": "date"}, {"Name": "units", "Type": "bigint"}]
        columns += [{"Name": "share", "Type": "double"}]
        pages: list[list[list[str | None]]] = [
            [[column["Name"] for column in columns], ["2026-11-20", "5", "33.3"]],
            [['[21], "today"', None, "-0.5"]],
        ]
        cells = [[[{"VarCharValue": cell} if cell else {} for cell in row] for row in page] for page in pages]
        return [
            {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": columns}, "Rows": [{"Data": row} for row in page]}}
            for page in cells
        ]


@pytest.fixture
def athena(monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    fake = FakeAthena()
    monkeypatch.setattr(Target, "client", lambda *_: fake)
    monkeypatch.setattr(Target, "outputs", {"AthenaWorkgroupName": "shop-local"})
    monkeypatch.setattr(run, "POLL_SECONDS", 0)
    return fake


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["athena", *arguments, "--stage", "production"])


def test_a_query_prints_a_table_and_what_it_read(athena: FakeAthena) -> None:
    result = ask("sales", "--param", "from=2026-11-01", "--param", "to=2026-11-30")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "2 rows, 12 kB read" in lines[-4]
    assert lines[-3].split() == ["day", "units", "share"]
    assert lines[-2].split() == ["2026-11-20", "5", "33.3"]
    assert lines[-1].split() == ["[21],", '"today"', "-0.5"]
    [started] = athena.started
    assert started["QueryString"] == SALES.replace("{from}", "2026-11-01").replace("{to}", "2026-11-30")
    assert started["WorkGroup"] == "shop-local"
    assert started["QueryExecutionContext"] == {"Database": "shop_local"}
    assert athena.stopped == []


def test_csv_and_json_hold_the_rows_alone(athena: FakeAthena) -> None:
    found = ask("history", "--param", "stream=product-MUG", "--csv")
    assert list(csv.reader(io.StringIO(found.stdout))) == [
        ["day", "units", "share"],
        ["2026-11-20", "5", "33.3"],
        ['[21], "today"', "", "-0.5"],
    ]
    assert "2 rows" in found.stderr
    found = ask("history", "--param", "stream=product-MUG", "--json")
    assert json.loads(found.stdout) == {
        "query": "history",
        "parameters": {"stream": "product-MUG"},
        "rows": [
            {"day": "2026-11-20", "units": 5, "share": 33.3},
            {"day": '[21], "today"', "units": None, "share": -0.5},
        ],
    }
    assert ask("history", "--csv", "--json").exit_code == 2


def test_without_a_name_it_lists_the_queries_with_what_they_answer_and_take(athena: FakeAthena) -> None:
    text = " ".join(ask().stdout.split())
    for shown in (
        "sales",
        "What was sold. By day.",
        "from: the first day",
        "history",
        "A stream.",
        "stream: a stream's id",
    ):
        assert shown in text
    listed = json.loads(ask("--json").stdout)
    assert [(each["query"], [(it["name"], it["required"]) for it in each["parameters"]]) for each in listed] == [
        ("history", [("stream", True)]),
        ("own", [("sku", True)]),
        ("sales", [("from", False), ("to", False)]),
    ]
    assert athena.started == []


def test_days_that_are_not_given_are_the_last_thirty() -> None:
    values = NamedQuery("sales", SALES, "shop").values(["from=2026-11-01"])
    assert values == {"from": "2026-11-01", "to": TODAY.isoformat()}
    values = NamedQuery("sales", SALES, "shop").values([])
    assert values == {"from": (TODAY - timedelta(days=30)).isoformat(), "to": TODAY.isoformat()}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["nothing"], "There is no query nothing. The workgroup shop-local has: history, own, sales"),
        (["history"], "The query history needs --param stream=...: a stream's id"),
        (["history", "stream"], "--param takes key=value, each key once, and not stream"),
        (["history", "stream=a-1", "stream=a-2"], "each key once"),
        (["history", "steam=product-MUG"], "has no parameter steam; it takes stream"),
        (["history", "stream="], "It cannot be ''"),
        (["history", "stream=product-' OR 'a'='a"], "It cannot be \"product-' OR 'a'='a\""),
        (["history", "stream=product-{stream}"], "It cannot be 'product-{stream}'"),
        (["sales", "from=yesterday"], "from is the first day, such as 2026-11-01"),
        (["sales", "from=2026-11-31"], "It cannot be '2026-11-31'"),
        (["sales", "to=2026-11-30\n"], "to is the last day"),
        (["sales", "from=2026-11-02", "to=2026-11-01"], "The first day, 2026-11-02, is after the last one, 2026-11-01"),
        (["own", "sku=MUG'--"], "sku is a word or a number"),
    ],
)
def test_what_cannot_be_asked_is_told_and_never_sent(athena: FakeAthena, arguments: list[str], shown: str) -> None:
    name, *given = arguments
    result = ask(name, *(part for each in given for part in ("--param", each)))
    assert (result.exit_code, result.stdout) == (2, "")
    assert shown in result.stderr
    assert athena.started == []


@pytest.mark.parametrize(
    "pattern", [each.pattern for each in queries.PARAMETERS.values()] + [queries.ANY_OTHER.pattern]
)
def test_no_value_can_leave_its_quotes_or_hold_another_placeholder(pattern: Any) -> None:
    for character in "'\"{}\\\n;\0":
        for text in (character, f"product-{character}", f"2026-11-01{character}", f"a {character} b"):
            assert not pattern.fullmatch(text), text


def test_a_query_that_fails_says_why(athena: FakeAthena) -> None:
    athena.states = ["RUNNING", "FAILED"]
    result = ask("sales")
    assert result.exit_code == 1
    assert "The query sales has failed: SYNTAX_ERROR: line 1" in result.stderr


def test_a_query_that_takes_too_long_is_stopped(athena: FakeAthena) -> None:
    athena.states = ["RUNNING"]
    result = ask("sales", "--wait-seconds", "0")
    assert result.exit_code == 1
    assert "has not ended after 0 s, and was stopped" in result.stderr
    assert athena.stopped == ["execution-1"]


def test_a_query_that_is_given_up_by_ctrl_c_is_stopped(athena: FakeAthena) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    query = NamedQuery("own", OWN, "shop")
    with pytest.raises(KeyboardInterrupt):
        run.Athena(athena, "shop-local", sleep=interrupt).run(query, {"sku": "MUG"}, lambda _: None, 60)
    assert athena.stopped == ["execution-1"]


def test_progress_tells_the_state_and_what_was_read(athena: FakeAthena) -> None:
    shown: list[str] = []
    query = NamedQuery("own", OWN, "shop")
    run.Athena(athena, "shop-local", sleep=lambda _: None).run(query, {"sku": "MUG"}, shown.append, 60)
    assert shown == ["queued, 12 kB read", "running, 12 kB read"]


@pytest.mark.parametrize(("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1_500, "2 kB"), (2e9, "2.0 GB")])
def test_sizes_are_short(count: float, text: str) -> None:
    assert run.size(count) == text
