"""Serves ministack, the local AWS. Run by the emulator's own Python, which has no `shop_cli`; never imported by it.

Nothing of ministack is changed on disk. Measured slownesses are tuned here at start, and differences to AWS are mended,
each with its reason; each refuses to start when ministack's source no longer is what it was written for, so that an
update can't drop it silently. A guard stands before it, because ministack itself answers every page and program.
"""

import argparse
import importlib
import inspect
import json
import os
import re
import resource
import secrets
import sqlite3
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import uvicorn


def tune_worker_output(worker_class: Any) -> None:
    """After each call ministack waits up to 50 ms for a first log line: a call that prints nothing took 55 ms, with
    this 4 to 6 ms. A line that comes later is not lost, it is drained with the next call's."""
    drain = worker_class._drain_stderr_bounded
    expect(list(inspect.signature(drain).parameters) == ["self", "first_line_wait", "idle_confirm", "hard_cap"], drain)
    expect(drain.__defaults__ == (0.050, 0.005, 0.250), drain)
    drain.__defaults__ = (0.002, 0.001, 0.250)


def expire_records_at_start_only(kinesis: Any) -> None:
    """Every put, and every read, rebuilds the list of all records to drop those past the retention of days: without
    that, 900 PutRecord a second instead of 20 on a used stream. It also moves the list under the consumers, whose
    places are indexes into it: they would skip as many records as have gone. `emulator_state` does both at the start.
    """
    expire = kinesis._expire_records
    expect(list(inspect.signature(expire).parameters) == ["stream"], expire)
    expect('stream["shards"].values()' in inspect.getsource(expire), expire)
    kinesis._expire_records = lambda _: None


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


def read_table_streams_from_their_start(functions: Any, tables: Any) -> None:
    """ministack saves how far a function has read a table's change stream, and not the stream. After a restart the
    function would be given nothing, until as many changes are made as there were before."""
    restore = functions._restore_esm_positions
    expect(list(inspect.signature(restore).parameters) == ["store", "positions"], restore)
    expect("stream_records" not in inspect.getsource(tables.get_state), tables.get_state)

    def all_others(store: Any, positions: Any) -> None:
        if store is not functions._dynamodb_stream_positions:
            restore(store, positions)

    functions._restore_esm_positions = all_others


def accept_this_shops_keys_alone(evaluator: Any, runtime: Any) -> None:
    """ministack takes `test`, any account's number and the configured key for root, and checks no signature of theirs;
    it derives the keys of a function from its name. Here root is the configured key, signed like any other, and a
    secret goes into the functions' keys."""
    is_root, is_unchecked, keys = (
        evaluator.is_root_access_key,
        evaluator._is_root_key,
        runtime.execution_credentials,
    )
    expect('access_key_id == "test"' in inspect.getsource(is_root), is_root)
    expect(list(inspect.signature(is_unchecked).parameters) == ["access_key_id"], is_unchecked)
    expect(
        "(access_key_id and _is_root_key(access_key_id))" in inspect.getsource(evaluator.pin_signed_request), is_root
    )
    expect('role_arn.rsplit("/", 1)[-1]' in inspect.getsource(keys), keys)
    root, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    # Internal calls, and those that AWS serves unsigned, name no key.
    evaluator.is_root_access_key = lambda access_key_id: access_key_id in ("", None, root)
    evaluator._is_root_key = lambda access_key_id: not access_key_id
    runtime.execution_credentials = lambda config: keys({**config, "Role": f"{secret}/{config.get('Role', '')}"})


def name_the_origins_port(cloudfront: Any) -> None:
    """ministack's distributions send a Host without the port, which names another server than the API's. The guard lets
    no such request pass."""
    headers_of = cloudfront._origin_request_headers
    expect(next(iter(inspect.signature(headers_of).parameters)) == "origin", headers_of)
    expect('headers.get("host", origin["domain_name"])' in inspect.getsource(headers_of), headers_of)

    def with_port(origin: dict[str, Any], *others: Any) -> dict[str, Any]:
        headers: dict[str, Any] = headers_of(origin, *others)
        _, port, is_tls = cloudfront._origin_connect_target(origin, False)
        return headers if is_tls or port == 80 else {**headers, "Host": f"{headers['Host']}:{port}"}

    cloudfront._origin_request_headers = with_port


def add_trace_headers(gateway: Any) -> None:
    """An HTTP API names a trace of its own, without a parent or a decision, to a function whose caller has named none:
    https://github.com/aws/aws-xray-sdk-java/issues/301. ministack adds nothing."""
    execute = gateway.handle_execute
    first = ["api_id", "stage", "path", "method", "headers"]
    expect(list(inspect.signature(execute).parameters)[:5] == first, execute)
    expect("trace" not in inspect.getsource(gateway._invoke_lambda_proxy).lower(), gateway._invoke_lambda_proxy)

    async def with_header(*request: Any, **others: Any) -> Any:
        *address, headers = request[:5]
        header = {"x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"}
        return await execute(*address, header | headers, *request[5:], **others)

    gateway.handle_execute = with_header


def link_pool_pages(cognito: Any, pages: Any) -> None:
    """ministack has a page to sign in, and none to sign up or for a forgotten password."""
    form = cognito._login_page_html
    first = ["client_id", "redirect_uri", "scope", "state", "response_type", "code_challenge", "code_challenge_method"]
    expect(list(inspect.signature(form).parameters)[:7] == first, form)
    expect(list(inspect.signature(cognito._page_shell).parameters) == ["title", "heading", "body_html"], form)
    pages.link_pages(cognito)


def is_public(request: Any) -> bool:
    """The API, its documents, the user pool, the storefront and the readiness need no key of AWS."""
    if is_management(request):
        return bool(request.path == "/_ministack/ready")
    name, path = request.first("host").rpartition(":")[0], request.path
    return (
        (name.endswith((".cloudfront.localhost", ".execute-api.localhost")) and not path.startswith(("/_", "/v2/")))
        or path.startswith(("/_aws/execute-api/", "/oauth2/"))
        or path in ("/login", "/logout", "/signup", "/confirmUser", "/forgotPassword", "/confirmForgotPassword")
        or re.fullmatch(r"/[\w-]+/\.well-known/(jwks\.json|openid-configuration)", path) is not None
        or (path == "/" and calls_user_pool(request))
    )


def calls_user_pool(request: Any) -> bool:
    """A browser first asks whether its page may call it, and that question names no target."""
    target = request.first("x-amz-target")
    return request.method == "OPTIONS" or bool(target.startswith("AWSCognitoIdentityProviderService."))


def is_management(request: Any) -> bool:
    return bool(request.path == "/health" or request.path.startswith(("/_ministack", "/_localstack")))


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


def load(path: Path) -> Any:
    module = ModuleType(path.stem)
    sys.modules[path.stem] = module  # dataclasses look it up there
    SourceFileLoader(path.stem, str(path)).exec_module(module)
    return module


def beside(name: str) -> Path:
    return Path(__file__).with_name(name)


def open_store(folder: Path) -> Any:
    module = load(beside("emulator_store.py"))
    try:
        return module.StateFile(folder / module.FILE)
    except (module.DamagedError, sqlite3.Error) as error:
        raise SystemExit(f"The local AWS can't use its state: {error}") from error


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--guard", type=Path, required=True, help="browser_guard.py")
    parser.add_argument("--allowed-origins", default="", help="separated by commas")
    arguments = parser.parse_args()

    # Whatever keeps data, and each function's process, writes files that only their owner can read.
    os.umask(0o077)
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    # Other modules take these functions by name when they are imported, so they are replaced before.
    accept_this_shops_keys_alone(evaluator, importlib.import_module("ministack.core.lambda_runtime"))
    app = importlib.import_module("ministack.app").app
    router = importlib.import_module("ministack.core.router")
    responses = importlib.import_module("ministack.core.responses")
    tune_worker_output(importlib.import_module("ministack.core.lambda_runtime").Worker)
    expire_records_at_start_only(importlib.import_module("ministack.services.kinesis"))
    give_json_tables_their_columns(importlib.import_module("ministack.services.athena"))
    cognito, pool_pages = importlib.import_module("ministack.services.cognito"), load(beside("pool_pages.py"))
    link_pool_pages(cognito, pool_pages)
    name_the_origins_port(importlib.import_module("ministack.services.cloudfront"))
    add_trace_headers(importlib.import_module("ministack.services.apigateway"))
    runtime, functions = (
        importlib.import_module(f"ministack.{name}") for name in ("core.lambda_runtime", "services.lambda_svc")
    )
    load(beside("emulator_environments.py")).Environments(runtime, functions, expect)
    read_table_streams_from_their_start(
        importlib.import_module("ministack.services.lambda_svc"), importlib.import_module("ministack.services.dynamodb")
    )
    raise_open_file_limit()
    persistence = importlib.import_module("ministack.core.persistence")
    state, store = load(beside("emulator_state.py")), open_store(Path(persistence.STATE_DIR))
    keeper = state.Keeper(importlib.import_module("ministack.app"), persistence, store, expect)

    def has_key(request: Any) -> bool:
        key = router.extract_access_key_id(dict(request.headers), parse_qs(request.query))
        found = key and evaluator.resolve_credential(key, responses._account_from_sts_session(key))
        return isinstance(found, evaluator.ResolvedCredential)

    browser_guard = load(arguments.guard)
    guard = browser_guard.Guard(
        arguments.port,
        browser_guard.parse_origins(arguments.allowed_origins),
        rf"{browser_guard.ADDRESSES}|[a-z0-9]+\.(?:cloudfront|execute-api)\.localhost",
        is_public=is_public,
        is_management=is_management,
        has_key=has_key,
    )
    pages = pool_pages.PoolPages(app, cognito._page_shell)
    # ministack's own server, hypercorn, gave 129 requests a second at 8 clients; uvloop and httptools give 450 to 510.
    # The lifespan loads the state and, on SIGTERM, saves the logs: open connections must not hold that up for long.
    uvicorn.run(
        browser_guard.GuardedApplication(state.KeptAnswers(pages, keeper, store), guard),
        host="127.0.0.1",
        port=arguments.port,
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
