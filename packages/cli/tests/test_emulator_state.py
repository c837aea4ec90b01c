"""What the local AWS has acknowledged outlives kill -9, a full disk and torn files. The emulator is the real one."""

import json
import resource
import signal
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from shop_cli.emulator_testing import free_port, in_the_emulators_python
from shop_cli.local import emulator, emulator_store, processes
from shop_cli.local.home import Home, State

START_SECONDS_MAX = 120
WRITERS = 4
WRITES_BEFORE_KILL = 150
TABLE = {
    "TableName": "things",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


class Aws:
    """The emulator of one shop's folder, which is started again and again."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.state = State()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.home.logs / "aws.log").read_text()

    @property
    def folder(self) -> Path:
        return self.home.path / "aws" / "state"

    def launch(self) -> subprocess.Popen[bytes]:
        # Another one each time: while it is down, somebody else may take the last one.
        self.state.ports = {"aws": free_port()}
        command, environment = emulator.server_command(self.state), emulator.server_environment(self.home, self.state)
        self.process, _ = processes.spawn(self.home, "aws", command, environment, port=self.state.ports["aws"])
        return self.process

    def start(self) -> None:
        process, deadline = self.launch(), time.monotonic() + START_SECONDS_MAX
        while not emulator.is_ready(self.state):
            assert process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(START_SECONDS_MAX)

    def client(self, service: str) -> Any:
        return emulator.client(self.state, service)

    def items(self) -> dict[tuple[str, str], str]:
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName="things")
        return {
            (item["pk"]["S"], item["sk"]["S"]): item.get("value", {}).get("S", "")
            for page in pages
            for item in page["Items"]
        }

    def records(self) -> list[str]:
        kinesis = self.client("kinesis")
        found = []
        for shard in kinesis.list_shards(StreamName="stream")["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName="stream", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            found += [record["Data"].decode() for record in kinesis.get_records(ShardIterator=iterator)["Records"]]
        return found


@pytest.fixture
def aws(home: Home) -> Iterator[Aws]:
    aws = Aws(home)
    aws.start()
    aws.client("dynamodb").create_table(**TABLE)
    aws.client("kinesis").create_stream(StreamName="stream", ShardCount=2)
    aws.client("s3").create_bucket(Bucket="bucket")
    yield aws
    assert aws.process is not None
    aws.process.kill()
    aws.process.wait()


def put_item(aws: Aws, key: str) -> None:
    item = {"pk": {"S": key}, "sk": {"S": "1"}, "value": {"S": "a"}}
    aws.client("dynamodb").put_item(TableName="things", Item=item)


def change_items(aws: Aws, key: str) -> None:
    """One transaction with each kind of write."""
    for sk in ("old", "changed"):
        aws.client("dynamodb").put_item(TableName="things", Item={"pk": {"S": key}, "sk": {"S": sk}})
    old, changed = ({"pk": {"S": key}, "sk": {"S": sk}} for sk in ("old", "changed"))
    update = {"UpdateExpression": "SET #v = :v", "ExpressionAttributeNames": {"#v": "value"}}
    update["ExpressionAttributeValues"] = {":v": {"S": "b"}}
    put = {"TableName": "things", "Item": {"pk": {"S": key}, "sk": {"S": "1"}, "value": {"S": "a"}}}
    aws.client("dynamodb").transact_write_items(
        TransactItems=[
            {"Delete": {"TableName": "things", "Key": old}},
            {"Update": {"TableName": "things", "Key": changed, **update}},
            {"Put": put},
        ]
    )


def put_record(aws: Aws, key: str) -> None:
    aws.client("kinesis").put_record(StreamName="stream", PartitionKey=key, Data=key.encode())


def put_records(aws: Aws, key: str) -> None:
    records = [{"PartitionKey": f"{key}-{number}", "Data": key.encode()} for number in range(3)]
    aws.client("kinesis").put_records(StreamName="stream", Records=records)


def put_object(aws: Aws, key: str) -> None:
    aws.client("s3").put_object(Bucket="bucket", Key=f"folder/{key}", Body=key.encode() * 100)


def put_parameter(aws: Aws, key: str) -> None:
    aws.client("ssm").put_parameter(Name=f"/{key}", Value=key, Type="String")


def make_pool(aws: Aws, key: str) -> None:
    cognito = aws.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName=key)["UserPool"]["Id"]
    cognito.admin_create_user(UserPoolId=pool, Username=key, MessageAction="SUPPRESS")


def has_item(aws: Aws, key: str) -> bool:
    return aws.items().get((key, "1")) == "a"


def has_changed_items(aws: Aws, key: str) -> bool:
    items = {sk: value for (pk, sk), value in aws.items().items() if pk == key}
    return items == {"1": "a", "changed": "b"}


def has_record(aws: Aws, key: str) -> bool:
    return aws.records().count(key) == 1


def has_records(aws: Aws, key: str) -> bool:
    return aws.records().count(key) == 3


def has_object(aws: Aws, key: str) -> bool:
    return bool(aws.client("s3").get_object(Bucket="bucket", Key=f"folder/{key}")["Body"].read() == key.encode() * 100)


def has_parameter(aws: Aws, key: str) -> bool:
    return bool(aws.client("ssm").get_parameter(Name=f"/{key}")["Parameter"]["Value"] == key)


def has_pool(aws: Aws, key: str) -> bool:
    cognito = aws.client("cognito-idp")
    pools = cognito.list_user_pools(MaxResults=60)["UserPools"]
    (pool,) = (pool["Id"] for pool in pools if pool["Name"] == key)
    return bool(cognito.admin_get_user(UserPoolId=pool, Username=key)["Username"] == key)


SQL = "SELECT DATE '2026-11-27' AS a, 1.50 AS b, TIMESTAMP '2026-11-27 10:00:00' AS c, uuid() AS d, TIME '10:00' AS e"


def ask_athena(aws: Aws, key: str) -> None:
    """The emulator keeps what a query has found as values of any type that SQL has."""
    athena = aws.client("athena")
    output = {"OutputLocation": f"s3://bucket/{key}/"}
    query = athena.start_query_execution(QueryString=SQL, ResultConfiguration=output)["QueryExecutionId"]
    while athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"] != "SUCCEEDED":
        time.sleep(0.05)
    rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    put_parameter(aws, f"{query}/{rows[1]['Data'][0]['VarCharValue']}")


def knows_athenas_answer(aws: Aws, _: str) -> bool:
    (name,) = (it["Name"] for it in aws.client("ssm").describe_parameters()["Parameters"][-1:])
    query, first = name.strip("/").split("/")
    rows = aws.client("athena").get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    return bool(rows[1]["Data"][0]["VarCharValue"] == first)


CHANGES: dict[str, tuple[Callable[[Aws, str], None], Callable[[Aws, str], bool]]] = {
    "an item": (put_item, has_item),
    "a transaction": (change_items, has_changed_items),
    "a record": (put_record, has_record),
    "records": (put_records, has_records),
    "an object": (put_object, has_object),
    "a parameter": (put_parameter, has_parameter),
    "a user": (make_pool, has_pool),
    "a query's result": (ask_athena, knows_athenas_answer),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_last_change_before_a_kill_is_kept(aws: Aws, change: str) -> None:
    make, is_there = CHANGES[change]
    make(aws, "first")
    aws.end()
    aws.start()
    assert is_there(aws, "first")
    # Again from the store alone, and not from what the first start has found.
    make(aws, "second")
    aws.end()
    aws.start()
    assert is_there(aws, "first")
    assert is_there(aws, "second")


def write_until(aws: Aws, ended: Callable[[], bool]) -> tuple[set[str], set[str]]:
    """Writes items and records at once until it fails; answers what was acknowledged of each."""
    items: set[str] = set()
    records: set[str] = set()

    def write() -> None:
        with suppress(BotoCoreError, ClientError):
            while True:
                key = str(uuid.uuid4())
                put_item(aws, key)
                items.add(key)
                put_record(aws, key)
                records.add(key)

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write) for _ in range(WRITERS)]
        deadline = time.monotonic() + START_SECONDS_MAX
        while not ended() and len(items) < WRITES_BEFORE_KILL:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if not ended():
            aws.end()
        for each in writing:
            each.result()
    return items, records


def test_nothing_acknowledged_is_lost_when_it_is_killed_while_clients_write(aws: Aws) -> None:
    for _ in range(3):
        items, records = write_until(aws, lambda: False)
        aws.start()
        assert len(items) >= WRITES_BEFORE_KILL
        assert items <= {pk for pk, _ in aws.items()}
        assert records <= set(aws.records())


def test_a_full_disk_ends_it_loudly_and_loses_nothing_acknowledged(aws: Aws) -> None:
    process = aws.process
    assert process is not None
    written = max(path.stat().st_size for path in aws.folder.glob("state.sqlite*"))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (written + 100_000, resource.RLIM_INFINITY))
    items, records = write_until(aws, lambda: process.poll() is not None)
    assert process.wait() == emulator_store.EX_IOERR
    assert "can't save" in aws.log
    assert emulator_store.ADVICE in aws.log
    aws.start()
    assert items <= {pk for pk, _ in aws.items()}
    assert records <= set(aws.records())


def test_an_object_that_does_not_fit_on_the_disk_is_not_acknowledged(aws: Aws) -> None:
    process = aws.process
    assert process is not None
    limit = max(path.stat().st_size for path in aws.folder.glob("state.sqlite*")) + 1_000_000
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with pytest.raises((BotoCoreError, ClientError)):
        aws.client("s3").put_object(Bucket="bucket", Key="large", Body=b"x" * (limit + 1))
    assert process.wait(START_SECONDS_MAX) == emulator_store.EX_IOERR
    aws.start()
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket="bucket")


def test_a_full_disk_at_the_end_is_told_and_the_end_does_not_count_as_orderly(aws: Aws) -> None:
    put_item(aws, "kept")
    process = aws.process
    assert process is not None
    # The limit keeps it from writing its log, too.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    assert aws.end(signal.SIGTERM) == emulator_store.EX_IOERR
    moments = emulator_store.read_moments(aws.folder)
    assert moments.changed_at
    assert moments.stopped_at is None
    aws.start()
    assert has_item(aws, "kept")


def test_an_orderly_end_is_remembered_until_the_next_start(aws: Aws) -> None:
    assert aws.end(signal.SIGTERM) == -signal.SIGTERM
    moments = emulator_store.read_moments(aws.folder)
    assert moments.stopped_at is not None
    aws.start()
    moments = emulator_store.read_moments(aws.folder)
    assert moments.stopped_at is None


@contextmanager
def does_not_start(aws: Aws) -> Iterator[list[str]]:
    messages: list[str] = []
    yield messages
    assert aws.launch().wait(START_SECONDS_MAX) != 0
    for message in messages:
        assert message in aws.log


def test_a_torn_write_ahead_log_costs_its_end_only(aws: Aws) -> None:
    put_item(aws, "kept")
    aws.end()
    log = aws.folder / "state.sqlite-wal"
    with log.open("ab") as file:
        file.write(b"\x00\xff" * 3_000)
    aws.start()
    assert has_item(aws, "kept")


def test_a_damaged_state_is_never_replaced_by_an_empty_one(aws: Aws) -> None:
    put_item(aws, "kept")
    aws.end(signal.SIGTERM)
    path = aws.folder / "state.sqlite"
    whole = path.read_bytes()
    with does_not_start(aws) as messages:
        path.write_bytes(whole[: len(whole) // 2])
        messages += ["is damaged", "./shop down --delete"]
    with does_not_start(aws) as messages:
        path.write_bytes(b"something else altogether" * 1_000)
        messages += ["is damaged"]
    path.write_bytes(whole)
    aws.start()
    assert has_item(aws, "kept")


def test_the_files_of_an_earlier_version_are_taken_over_or_named_when_torn(aws: Aws) -> None:
    aws.end(signal.SIGTERM)
    definition = json.loads(state_of(aws, "dynamodb"))
    (table,) = definition["tables"]["data"].values()
    table["items"] = {"a": {"1": {"pk": {"S": "a"}, "sk": {"S": "1"}, "value": {"S": "a"}}}}
    for path in aws.folder.glob("state.sqlite*"):
        path.unlink()
    file = aws.folder / "dynamodb.json"
    file.write_text(json.dumps(definition)[:-20])
    with does_not_start(aws) as messages:
        messages += ["dynamodb.json is damaged"]
    file.write_text(json.dumps(definition))
    aws.start()
    assert has_item(aws, "a")
    aws.end()
    file.unlink()
    aws.start()
    assert has_item(aws, "a")


def state_of(aws: Aws, service: str) -> str:
    with closing(sqlite3.connect(aws.folder / "state.sqlite")) as connection:
        (content,) = connection.execute("SELECT content FROM state WHERE service = ?", [service]).fetchone()
    return str(content)


def test_a_deleted_tables_items_do_not_come_back_in_its_successor(aws: Aws) -> None:
    put_item(aws, "old")
    aws.client("dynamodb").delete_table(TableName="things")
    aws.client("dynamodb").create_table(**TABLE)
    aws.end()
    aws.start()
    assert aws.items() == {}
    aws.end(signal.SIGTERM)
    with closing(sqlite3.connect(aws.folder / "state.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM item").fetchone() == (0,)


def test_a_restored_backup_is_kept(aws: Aws) -> None:
    put_item(aws, "kept")
    dynamodb = aws.client("dynamodb")
    backup = dynamodb.create_backup(TableName="things", BackupName="backup")["BackupDetails"]["BackupArn"]
    dynamodb.delete_table(TableName="things")
    dynamodb.restore_table_from_backup(TargetTableName="things", BackupArn=backup)
    aws.end()
    aws.start()
    assert has_item(aws, "kept")


def test_records_past_the_retention_go_and_their_consumers_skip_nothing() -> None:
    found = in_the_emulators_python(
        """
        import time
        from ministack.services import kinesis, lambda_svc

        class Store:
            removed = []

            def records(self, stream, shard):
                ages = {"0": [25, 25, 1, 1], "1": [25], "2": []}[shard]
                for number, hours in enumerate(ages):
                    yield json.dumps({
                        "SequenceNumber": str(number), "ApproximateArrivalTimestamp": time.time() - hours * 3600
                    })

            def remove_records(self, stream, shard, *, before):
                self.removed.append([shard, before])

        state = launcher.load(launcher.beside("emulator_state.py"))
        records = state._Records(kinesis, lambda_svc, Store(), launcher.expect)
        shards = {name: {} for name in "012"}
        key = ("000000000000", "us-east-1", "name")
        kinesis._streams._data[key] = {"StreamARN": "arn", "RetentionPeriodHours": 24, "shards": shards}
        lambda_svc._esms._data[key] = {"EventSourceArn": "arn"}
        # The last place is ahead of what was kept: the record after it must not be skipped.
        lambda_svc._kinesis_positions._data[key] = {"0": 3, "1": 1, "2": 2}
        records.load()
        kept = [len(shard["records"]) for shard in shards.values()]
        print(json.dumps([kept, lambda_svc._kinesis_positions._data[key], Store.removed]))
        """
    )
    assert found == [[2, 0, 0], {"0": 1, "1": 0, "2": 0}, [["0", "2"], ["1", "~"]]]


def test_a_transactions_items_reach_the_disk_together(tmp_path: Path) -> None:
    file = emulator_store.StateFile(tmp_path / emulator_store.FILE)
    with file.together():
        file.put_item("table", "first", "", "{}")
        time.sleep(0.3)  # in which the first one alone would be committed
        assert file.items("table") == []
        file.put_item("table", "second", "", "{}")
    file.flush()
    assert file.items("table") == ["{}", "{}"]
    file.close()


def test_a_transaction_puts_its_items_together() -> None:
    found = in_the_emulators_python(
        f"""
        import contextlib
        from ministack import app
        from ministack.core import persistence
        from ministack.services import dynamodb

        class Store:
            put = []
            @contextlib.contextmanager
            def together(self):
                self.put.append("begin")
                yield
                self.put.append("end")
            def put_item(self, table, pk, sk, content):
                self.put.append(pk)
            def remove_items(self, table):
                pass

        state = launcher.load(launcher.beside("emulator_state.py"))
        state.Keeper(app, persistence, Store(), launcher.expect)
        dynamodb._create_table({TABLE})
        puts = [{{"Put": {{"TableName": "things", "Item": {{"pk": {{"S": pk}}, "sk": {{"S": "s"}}}}}}}} for pk in "ab"]
        status = dynamodb._transact_write_items({{"TransactItems": puts}})[0]
        print(json.dumps([status, Store.put]))
        """
    )
    assert found == [200, ["begin", "a", "b", "end"]]


@pytest.mark.parametrize(
    "changed",
    [
        *("dynamodb._set_item", "dynamodb._remove_item", "dynamodb._transact_write_items"),
        *("kinesis._put_records", "s3._atomic_write"),
    ],
)
def test_a_changed_emulator_is_not_kept_silently(changed: str) -> None:
    code = f"""
        from ministack import app
        from ministack.core import persistence
        from ministack.services import dynamodb, kinesis, s3

        def changed(): ...
        {changed} = changed
        state = launcher.load(launcher.beside("emulator_state.py"))
        state.Keeper(app, persistence, None, launcher.expect)
        """
    result = in_the_emulators_python(code, check=False)
    assert result.returncode == 1
    assert "is not what emulator_launcher.py was written for" in result.stderr


def test_another_shops_emulator_on_the_port_is_not_taken_for_ours(aws: Aws) -> None:
    assert emulator.is_ready(aws.state)
    assert not emulator.is_ready(State(ports=aws.state.ports))
