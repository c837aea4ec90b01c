"""`shop athena`: asks the archive a named query and prints the rows for people, spreadsheets or scripts."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from shop_cli.errors import ShopError
from shop_cli.operations.athena.queries import NamedQuery
from shop_cli.operations.athena.run import Athena, Result, size
from shop_cli.output import JsonOption, display, print_json, table
from shop_cli.target import StageOption, Target

INTEGERS: Final = frozenset({"tinyint", "smallint", "integer", "int", "bigint"})
FLOATS: Final = frozenset({"float", "real", "double"})


def athena(
    name: Annotated[
        str | None, typer.Argument(help="The query's name. Without it, all queries are listed with their parameters.")
    ] = None,
    *,
    param: Annotated[
        list[str] | None, typer.Option(help="Give a parameter as key=value; repeat the option for each.")
    ] = None,
    stage: StageOption = None,
    wait_seconds: Annotated[float, typer.Option(help="Stop the query after this time.")] = 300,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the archive a named query, such as revenue-by-day-and-product. Without a name it lists the queries."""
    if as_csv and as_json:
        raise ShopError("Use either --csv or --json", exit_code=2)
    progress = display(for_scripts=as_csv or as_json)
    archive = Athena.of(Target.of(stage))
    if name is None:
        queries = archive.queries().values()
        if as_json:
            print_json([_description(query) for query in queries])
        else:
            listed = ([query.name, query.answers, "\n".join(_parameters(query))] for query in queries)
            progress.console.print(table(["query", "answers", "--param"], listed))
        return
    query = archive.query(name)
    values = query.values(param or [])
    with progress.step("Athena", "queued") as step:
        result = archive.run(query, values, step.doing, wait_seconds)
        rows = "1 row" if len(result.rows) == 1 else f"{len(result.rows):,} rows"
        step.done(f"{rows}, {size(result.scanned_bytes)} read")
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([result.columns, *result.rows])
    elif as_json:
        print_json({"query": query.name, "parameters": values, "rows": [*_typed_rows(result)]})
    else:
        numbers = {name for name, kind in zip(result.columns, result.types, strict=True) if kind in INTEGERS | FLOATS}
        progress.console.print(table(result.columns, result.rows, right=numbers))


def _parameters(query: NamedQuery) -> Iterator[str]:
    return (f"{name}: {parameter.meaning}" for name, parameter in query.parameters.items())


def _description(query: NamedQuery) -> dict[str, Any]:
    parameters = [
        {"name": name, "meaning": parameter.meaning, "required": parameter.default_days_ago is None}
        for name, parameter in query.parameters.items()
    ]
    return {"query": query.name, "answers": query.answers, "parameters": parameters}


def _typed_rows(result: Result) -> Iterator[dict[str, Any]]:
    for row in result.rows:
        cells = zip(result.columns, row, result.types, strict=True)
        yield {name: _typed(cell, kind) for name, cell, kind in cells}


def _typed(cell: str | None, kind: str) -> Any:
    if cell is None:
        return None
    if kind in INTEGERS:
        return int(cell)
    return float(cell) if kind in FLOATS else cell
