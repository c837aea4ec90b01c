"""Asks Athena: which named queries its workgroup has, and one of them, with its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from shop_cli.errors import ShopError
from shop_cli.operations.athena.queries import NamedQuery
from shop_cli.target import Target

POLL_SECONDS: Final = 0.3
SECONDS_MAX: Final = 60.0
BATCH_GET_MAX: Final = 50


@dataclass(frozen=True)
class Result:
    columns: list[str]
    types: list[str]
    rows: list[list[str | None]]
    scanned_bytes: int


@dataclass(frozen=True)
class Athena:
    client: Any
    workgroup: str
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, target: Target) -> Athena:
        return cls(target.client("athena"), target.outputs["AthenaWorkgroupName"])

    def queries(self) -> dict[str, NamedQuery]:
        """Returns the queries by name, in order."""
        pages = self.client.get_paginator("list_named_queries").paginate(WorkGroup=self.workgroup)
        ids = [each for page in pages for each in page["NamedQueryIds"]]
        found: dict[str, NamedQuery] = {}
        for start in range(0, len(ids), BATCH_GET_MAX):
            answer = self.client.batch_get_named_query(NamedQueryIds=ids[start : start + BATCH_GET_MAX])
            for each in answer["NamedQueries"]:
                found[each["Name"]] = NamedQuery(each["Name"], each["QueryString"], each["Database"])
        return dict(sorted(found.items()))

    def query(self, name: str) -> NamedQuery:
        queries = self.queries()
        if name not in queries:
            known = ", ".join(queries) or "none"
            raise ShopError(f"There is no query {name}. The workgroup {self.workgroup} has: {known}", exit_code=2)
        return queries[name]

    def run(
        self, query: NamedQuery, values: Mapping[str, str], report: Callable[[str], None], seconds_max: float
    ) -> Result:
        """Stops the query when it is given up, by Ctrl-C too: Athena bills what a query reads."""
        execution = self.client.start_query_execution(
            QueryString=query.filled(values),
            WorkGroup=self.workgroup,
            QueryExecutionContext={"Database": query.database},
        )["QueryExecutionId"]
        try:
            scanned = self._wait(query, execution, report, seconds_max)
        except BaseException:
            self.client.stop_query_execution(QueryExecutionId=execution)
            raise
        return self._result(execution, scanned)

    def _wait(self, query: NamedQuery, execution: str, report: Callable[[str], None], seconds_max: float) -> int:
        deadline = time.monotonic() + seconds_max
        while True:
            found = self.client.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
            status, scanned = found["Status"], found.get("Statistics", {}).get("DataScannedInBytes", 0)
            if status["State"] == "SUCCEEDED":
                return int(scanned)
            if status["State"] in ("FAILED", "CANCELLED"):
                cause = status.get("StateChangeReason")
                raise ShopError(f"The query {query.name} has {status['State'].lower()}: {cause}")
            if time.monotonic() > deadline:
                raise ShopError(f"The query {query.name} has not ended after {seconds_max:.0f} s, and was stopped")
            report(f"{status['State'].lower()}, {size(scanned)} read")
            self.sleep(POLL_SECONDS)

    def _result(self, execution: str, scanned: int) -> Result:
        pages = [*self.client.get_paginator("get_query_results").paginate(QueryExecutionId=execution)]
        columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        rows = chain.from_iterable(page["ResultSet"]["Rows"] for page in pages)
        next(rows)  # the columns' names
        return Result(
            columns=[column["Name"] for column in columns],
            types=[column["Type"] for column in columns],
            rows=[[cell.get("VarCharValue") for cell in row["Data"]] for row in rows],
            scanned_bytes=scanned,
        )


def ask(target: Target, name: str, given: Sequence[str], report: Callable[[str], None]) -> Result:
    athena = Athena.of(target)
    query = athena.query(name)
    return athena.run(query, query.values(given), report, SECONDS_MAX)


def size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1_000:
            return f"{count:.0f} {unit}"
        count /= 1_000
    return f"{count:.1f} GB"
