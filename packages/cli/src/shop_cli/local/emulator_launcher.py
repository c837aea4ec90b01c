"""Serves ministack, the local AWS. Run by the emulator's own Python, which has no `shop_cli`; never imported by it.

Nothing of ministack is changed on disk. Three measured slownesses are tuned here at start, and one difference to AWS is
mended, each with its reason; each refuses to start when ministack's source no longer is what it was written for, so
that an update can't drop it silently.
"""

import argparse
import importlib
import inspect
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import uvicorn


def tune_worker_output(worker_class: Any) -> None:
    """After each call ministack waits up to 50 ms for a first log line: a call that prints nothing took 55 ms, with
    this 4 to 6 ms. A line that comes later is not lost, it is drained with the next call's."""
    drain = worker_class._drain_stderr_bounded
    expect(list(inspect.signature(drain).parameters) == ["self", "first_line_wait", "idle_confirm", "hard_cap"], drain)
    expect(drain.__defaults__ == (0.050, 0.005, 0.250), drain)
    drain.__defaults__ = (0.002, 0.001, 0.250)


def tune_record_expiry(
    kinesis: Any, seconds_between: float = 60.0, clock: Callable[[], float] = time.monotonic
) -> None:
    """Every put, and every read, rebuilds the list of all records to drop those past the retention of hours. Once a
    minute does the same: 900 PutRecord a second instead of 20 on a used stream."""
    expire = kinesis._expire_records
    expect(list(inspect.signature(expire).parameters) == ["stream"], expire)
    expect('stream["shards"].values()' in inspect.getsource(expire), expire)
    last: dict[str, float] = {}

    def expire_once_a_minute(stream: dict[str, Any]) -> None:
        name = stream["StreamARN"]
        if clock() - last.get(name, float("-inf")) >= seconds_between:
            last[name] = clock()
            expire(stream)

    kinesis._expire_records = expire_once_a_minute


def give_json_tables_their_columns(athena: Any) -> None:
    """ministack has DuckDB guess the columns of a table of JSON lines: a time becomes a timestamp, and every object one
    with the fields of all others. Athena has what the table says: there, an object in a string column is JSON text."""
    relation = athena._table_relation
    expect(list(inspect.signature(relation).parameters) == ["table_data", "files"], relation)
    expect("read_json_auto(" in inspect.getsource(relation), relation)

    def with_columns(table: dict[str, Any], files: list[str]) -> str:
        if athena._data_format(table) != "json":
            return str(relation(table, files))
        in_paths = athena._path_partition_keys(table, files)
        in_lines = [key for key in table["PartitionKeys"] if key not in in_paths]
        columns = [*table["StorageDescriptor"]["Columns"], *in_lines]
        types = json.dumps({column["Name"]: athena._duckdb_type(column) for column in columns})
        options = f"format = 'newline_delimited', columns = {types}, {athena._hive_options(in_paths)}"
        return f"read_json({athena._sql_list(files)}, {options})"

    athena._table_relation = with_columns


def expect(fits: bool, function: Any) -> None:
    if not fits:
        raise SystemExit(
            f"ministack's {function.__qualname__} is not what emulator_launcher.py was written for: "
            "check that its tuning still fits, then adapt it"
        )


def raise_open_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port

    app = importlib.import_module("ministack.app").app
    tune_worker_output(importlib.import_module("ministack.core.lambda_runtime").Worker)
    tune_record_expiry(importlib.import_module("ministack.services.kinesis"))
    give_json_tables_their_columns(importlib.import_module("ministack.services.athena"))
    raise_open_file_limit()
    # ministack's own server, hypercorn, gave 129 requests a second at 8 clients; uvloop and httptools give 450 to 510.
    # The lifespan loads the state and, on SIGTERM, saves it: open connections must not hold that up for long.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
