"""Prints the rows of a query as a table for people, as CSV for spreadsheets and as JSON for scripts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from shop_cli.operations.athena.queries import NamedQuery
from shop_cli.operations.athena.run import Result

INTEGERS: Final = frozenset({"tinyint", "smallint", "integer", "int", "bigint"})
FLOATS: Final = frozenset({"float", "real", "double"})


def table(result: Result) -> Table:
    drawn = Table(box=None, header_style="dim", pad_edge=False)
    for column, kind in zip(result.columns, result.types, strict=True):
        drawn.add_column(column, justify="right" if kind in INTEGERS | FLOATS else "left", overflow="fold")
    for row in result.rows:
        drawn.add_row(*(escape(cell or "") for cell in row))
    return drawn


def csv_text(result: Result) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([result.columns, *result.rows])
    return text.getvalue()


def json_text(query: NamedQuery, values: Mapping[str, str], result: Result) -> str:
    rows = [
        {name: _value(cell, kind) for name, cell, kind in zip(result.columns, row, result.types, strict=True)}
        for row in result.rows
    ]
    return json.dumps({"query": query.name, "parameters": dict(values), "rows": rows}, indent=2)


def _value(cell: str | None, kind: str) -> Any:
    if cell is None:
        return None
    if kind in INTEGERS:
        return int(cell)
    return float(cell) if kind in FLOATS else cell


def list_table(queries: Iterable[NamedQuery]) -> Table:
    drawn = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("query", "answers", "--param"):
        drawn.add_column(column, overflow="fold")
    for query in queries:
        parameters = "\n".join(f"{name}: {parameter.meaning}" for name, parameter in query.parameters.items())
        drawn.add_row(escape(query.name), escape(query.answers), escape(parameters))
    return drawn


def list_json(queries: Iterable[NamedQuery]) -> str:
    documents = [
        {
            "query": query.name,
            "answers": query.answers,
            "parameters": [
                {"name": name, "meaning": parameter.meaning, "required": parameter.default_days_ago is None}
                for name, parameter in query.parameters.items()
            ],
        }
        for query in queries
    ]
    return json.dumps(documents, indent=2)
