"""The launcher's tunings, against the emulator that is installed: each must fit its source and do what it is for."""

import re

import pytest

from shop_cli.emulator_testing import in_the_emulators_python


def test_a_silent_call_waits_two_milliseconds_and_not_fifty() -> None:
    durations = in_the_emulators_python(
        """
        import queue, time
        from ministack.core.lambda_runtime import Worker

        worker = Worker.__new__(Worker)
        worker._stderr_queue = queue.Queue()

        def seconds():
            started = time.monotonic()
            for _ in range(5):
                worker._drain_stderr_bounded()
            return (time.monotonic() - started) / 5

        before = seconds()
        launcher.tune_worker_output(Worker)
        worker._stderr_queue.put("a line")
        line = worker._drain_stderr_bounded()
        print(json.dumps([before, seconds(), line]))
        """
    )
    before, after, line = durations
    assert before > 0.045
    assert after < before / 2
    assert line == "a line"


def test_no_record_expires_under_a_running_consumer() -> None:
    kept = in_the_emulators_python(
        """
        import time
        from ministack.services import kinesis

        launcher.expire_records_at_start_only(kinesis)
        old = {"ApproximateArrivalTimestamp": time.time() - 25 * 3600}
        stream = {"StreamARN": "arn", "RetentionPeriodHours": 24, "shards": {"0": {"records": [old]}}}
        kinesis._expire_records(stream)
        print(json.dumps(len(stream["shards"]["0"]["records"])))
        """
    )
    assert kept == 1


def test_every_path_through_kinesis_takes_the_tuned_expiry() -> None:
    callers = in_the_emulators_python(
        """
        import dis
        from ministack.services import kinesis

        functions = [f for f in vars(kinesis).values() if callable(f) and hasattr(f, "__code__")]
        print(json.dumps([f.__name__ for f in functions if "_expire_records" in f.__code__.co_names]))
        """
    )
    # Looked up in the module when called, so that replacing it there is enough.
    assert {"_put_record", "_put_records", "_get_records"} <= set(callers)


def test_a_restarted_emulator_forgets_how_far_a_tables_stream_was_read_and_nothing_else() -> None:
    found = in_the_emulators_python(
        """
        from ministack.services import dynamodb, lambda_svc

        launcher.read_table_streams_from_their_start(lambda_svc, dynamodb)
        lambda_svc._kinesis_positions["a-mapping"] = 7
        lambda_svc._dynamodb_stream_positions["another"] = 7
        saved = lambda_svc.get_state()
        for positions in (lambda_svc._kinesis_positions, lambda_svc._dynamodb_stream_positions):
            positions.clear()
        lambda_svc.load_persisted_state(saved)
        print(json.dumps([lambda_svc._kinesis_positions.get("a-mapping"), len(lambda_svc._dynamodb_stream_positions)]))
        """
    )
    assert found == [7, 0]


def test_a_table_of_json_lines_has_the_columns_that_it_says_it_has() -> None:
    found = in_the_emulators_python(
        """
        import pathlib, tempfile
        import duckdb
        from ministack.services import athena

        launcher.give_json_tables_their_columns(athena)
        temporary = tempfile.TemporaryDirectory()
        folder = pathlib.Path(temporary.name, "date=2026-11-23")
        folder.mkdir()
        lines = ['{"time": "2026-11-23T01:00:00Z", "type": "a", "version": 1, "data": {"b": [1, 2.50]}, "more": 1}']
        lines += ['{"time": "2026-11-23T02:00:00Z", "type": "c", "data": {"d": null}}']
        (folder / "object").write_text("\\n".join(lines))
        table = {
            "Parameters": {"classification": "json"},
            "PartitionKeys": [{"Name": "date", "Type": "string"}, {"Name": "type", "Type": "string"}],
            "StorageDescriptor": {"Columns": [
                {"Name": "time", "Type": "string"},
                {"Name": "version", "Type": "int"},
                {"Name": "data", "Type": "string"},
            ]},
        }
        relation = athena._table_relation(table, [str(folder / "object")])
        found = duckdb.sql(f"SELECT time, version, type, data, date FROM {relation} ORDER BY time")
        others = athena._table_relation({"Parameters": {"classification": "parquet"}}, ["file"])
        print(json.dumps([[str(kind) for kind in found.types], found.fetchall(), others]))
        """
    )
    types, rows, others = found
    assert types == ["VARCHAR", "INTEGER", "VARCHAR", "VARCHAR", "VARCHAR"]
    assert rows == [
        ["2026-11-23T01:00:00Z", 1, "a", '{"b":[1,2.5]}', "2026-11-23"],
        ["2026-11-23T02:00:00Z", None, "c", '{"d":null}', "2026-11-23"],
    ]
    assert others.startswith("read_parquet(")


@pytest.mark.parametrize(
    "changed",
    [
        "first_line_wait=0.1, idle_confirm=0.005, hard_cap=0.25",
        "patience=0.05",
    ],
)
def test_a_changed_emulator_is_not_tuned_silently(changed: str) -> None:
    worker = f"class Changed:\n    def _drain_stderr_bounded(self, {changed}): ..."
    result = in_the_emulators_python(f"{worker}\nlauncher.tune_worker_output(Changed)", check=False)
    assert result.returncode == 1
    assert "is not what emulator_launcher.py was written for" in result.stderr


@pytest.mark.parametrize("changed", ["def get_state(): 'stream_records'", "def _restore_esm_positions(store): ..."])
def test_a_changed_restart_is_not_mended_silently(changed: str) -> None:
    code = f"""
        from ministack.services import dynamodb, lambda_svc

        {changed}
        dynamodb.get_state = vars().get("get_state", dynamodb.get_state)
        lambda_svc._restore_esm_positions = vars().get("_restore_esm_positions", lambda_svc._restore_esm_positions)
        launcher.inspect.getsource = lambda _: {changed!r}
        launcher.read_table_streams_from_their_start(lambda_svc, dynamodb)
        """
    result = in_the_emulators_python(code, check=False)
    assert result.returncode == 1
    assert "is not what emulator_launcher.py was written for" in result.stderr


def test_a_changed_athena_is_not_mended_silently() -> None:
    changed = "class Changed:\n    def _table_relation(table_data, files): return 'read_json(...)'"
    code = f"{changed}\nlauncher.inspect.getsource = lambda _: {changed!r}\n"
    result = in_the_emulators_python(f"{code}launcher.give_json_tables_their_columns(Changed)", check=False)
    assert result.returncode == 1
    assert "is not what emulator_launcher.py was written for" in result.stderr


@pytest.mark.parametrize("name", ["is_root_access_key", "_is_root_key", "pin_signed_request", "execution_credentials"])
def test_changed_keys_are_not_replaced_silently(name: str) -> None:
    code = f"""
        from ministack.core import iam_evaluator, lambda_runtime

        def changed(key): ...
        setattr(lambda_runtime if "execution" in {name!r} else iam_evaluator, {name!r}, changed)
        launcher.inspect.getsource = lambda f, get=launcher.inspect.getsource: "" if f is changed else get(f)
        launcher.accept_this_shops_keys_alone(iam_evaluator, lambda_runtime)
        """
    result = in_the_emulators_python(code, check=False)
    assert result.returncode == 1
    assert "is not what emulator_launcher.py was written for" in result.stderr


def test_a_distribution_names_the_port_of_its_origin() -> None:
    hosts = in_the_emulators_python(
        """
        from ministack.services import cloudfront

        launcher.name_the_origins_port(cloudfront)
        origin = {"domain_name": "localhost", "protocol_policy": "http-only", "https_port": 443}
        hosts = [
            cloudfront._origin_request_headers(origin | {"http_port": port}, {}, "127.0.0.1", "")["Host"]
            for port in (80, 4566)
        ]
        print(json.dumps(hosts))
        """
    )
    assert hosts == ["localhost", "localhost:4566"]


def test_an_http_api_names_a_trace_where_the_caller_has_named_none() -> None:
    named = in_the_emulators_python(
        """
        import asyncio
        from ministack.services import apigateway

        async def execute(api_id, stage, path, method, headers, body, query_params, raw_query_string=None):
            return headers

        apigateway.handle_execute = execute
        launcher.add_trace_headers(apigateway)
        sent = [{"host": "shop"}, {"x-amzn-trace-id": "Root=1-2-3;Sampled=1"}]
        request = ("api", "$default", "/", "GET")
        asked = [apigateway.handle_execute(*request, headers, b"", {}, raw_query_string="") for headers in sent]
        print(json.dumps([asyncio.run(each) for each in asked]))
        """
    )
    assert re.fullmatch("Root=1-[0-9a-f]{8}-[0-9a-f]{24}", named[0].pop("x-amzn-trace-id"))
    assert named == [{"host": "shop"}, {"x-amzn-trace-id": "Root=1-2-3;Sampled=1"}]


def test_a_changed_http_api_is_not_mended_silently() -> None:
    code = """
        from ministack.services import apigateway

        launcher.inspect.getsource = lambda _: '"x-amzn-trace-id": trace'
        launcher.add_trace_headers(apigateway)
        """
    result = in_the_emulators_python(code, check=False)
    assert result.returncode == 1
    assert "is not what emulator_launcher.py was written for" in result.stderr


def test_the_page_to_sign_in_leads_to_those_that_the_emulator_lacks() -> None:
    page = in_the_emulators_python(
        """
        from ministack.services import cognito

        launcher.link_pool_pages(cognito, launcher.load(launcher.beside("pool_pages.py")))
        print(json.dumps(cognito._login_page_html("c", "http://a/b", "openid", "s&t", "code", "hash", "S256", "")))
        """
    )
    query = (
        "response_type=code&amp;client_id=c&amp;redirect_uri=http%3A%2F%2Fa%2Fb&amp;scope=openid&amp;state=s%26t"
        "&amp;code_challenge=hash&amp;code_challenge_method=S256"
    )
    assert f'href="/signup?{query}"' in page
    assert f'href="/forgotPassword?{query}"' in page
