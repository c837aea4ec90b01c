"""Runs queries as the local Athena does: its table, its DuckDB, its settings. For the emulator's Python.

Reads {"launcher", "table", "files", "parquet", "queries"} and prints the columns and rows of each query.
"""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import duckdb
from ministack.services import athena


def main() -> None:
    asked = json.load(sys.stdin)
    connection = duckdb.connect()
    connection.execute("SET disabled_optimizers = 'type_pushdown'")
    table, files = asked["table"], asked["files"]
    launcher: dict[str, Any] = runpy.run_path(asked["launcher"])
    launcher["give_json_tables_their_columns"](athena)
    if asked["parquet"]:
        table, files = as_firehose_converts(connection, table, files, Path(asked["parquet"]))
    relation = athena._table_relation(table, files) if files else athena._empty_relation(table)
    # In a path of Parquet, DuckDB takes what looks like a day for one. The table has a text there.
    connection.execute(f"CREATE VIEW events AS FROM {relation} SELECT * REPLACE (CAST(date AS VARCHAR) AS date)")
    results = []
    for query in asked["queries"]:
        found = connection.execute(query)
        columns = [column[0] for column in found.description]
        results.append([columns, [[str(value) for value in row] for row in found.fetchall()]])
    json.dump(results, sys.stdout)


def as_firehose_converts(
    connection: duckdb.DuckDBPyConnection, table: dict[str, Any], files: list[str], folder: Path
) -> tuple[dict[str, Any], list[str]]:
    """Parquet by day and type, the columns as the table has them, an object as JSON text. (The emulator's own
    conversion writes an object in DuckDB's notation.)"""
    types = {"string": "VARCHAR", "int": "INTEGER"}
    columns = {column["Name"]: types[column["Type"]] for column in table["StorageDescriptor"]["Columns"]}
    described = json.dumps(columns | {"data": "JSON", "type": "VARCHAR"})
    for file in files:
        rows = f"FROM read_json(?, columns = {described}) SELECT * REPLACE (CAST(data AS VARCHAR) AS data), ? AS date"
        copy = f"COPY ({rows}) TO '{folder}' (FORMAT parquet, PARTITION_BY (date, type), APPEND)"
        connection.execute(copy, [file, Path(file).parent.name.removeprefix("date=")])
    return table | {"Parameters": {"classification": "parquet"}}, sorted(map(str, folder.rglob("*.parquet")))


main()
