"""Keeps what ministack holds in memory in a StateFile, whenever it changes: ministack itself saves it on SIGTERM alone.

Items and records are kept one by one, as they are written. Everything else is small: each service's state is kept as a
whole, before a request that may have changed it is answered, and every second for what changes by itself.
Run by the emulator's own Python. `expect` ends the start when ministack's source is no longer what this expects.
"""

import asyncio
import functools
import hashlib
import inspect
import json
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from types import FunctionType
from typing import Any, Final
from uuid import UUID

Expect = Callable[[bool, Any], None]
Application = Callable[..., Awaitable[None]]

SECONDS_BETWEEN_SAVES: Final = 1.0
SHARE_OF_TIME_MAX: Final = 0.02
"""Logs grow without an end, so that saving them takes ever longer. Then it is done less often."""
CAPTURE_ATTEMPTS: Final = 100
LOGS: Final = {"cloudwatch_logs", "cloudwatch"}
"""No request waits for them: they are saved with the rest every second, or less often."""
DERIVED: Final = {"items", "ItemCount", "TableSizeBytes", "_index_members"}
TRANSACTIONS: Final = ("_transact_write_items", "_execute_transaction")
READING_METHODS: Final = {"GET", "HEAD", "OPTIONS"}
KEPT_BY_ITSELF: Final = re.compile(
    r"Item|PutRecord|GetRecords|GetShardIterator|\.(Query|Scan|Get\w+|List\w+|Describe\w+|Head\w+|Filter\w+)$"
)
"""These actions only read, or write items and records."""
RUNS_FUNCTIONS: Final = re.compile(r"^/_aws/execute-api/|/invocations$")
"""What a function changes, it asks for in requests of its own."""


class Keeper:
    def __init__(self, app: Any, persistence: Any, store: Any, expect: Expect) -> None:
        self._app = app
        self._encode = _with_values_of_sql(persistence._json_default)
        self._decode = persistence._json_object_hook
        self._read_file = persistence.load_state
        self._files = Path(persistence.STATE_DIR)
        self._store = store
        self._saved: dict[str, bytes] = {}
        load, save = app._load_persisted_state, app.save_all
        expect("for state_key, module_name in _state_map.items()" in inspect.getsource(load), load)
        expect(list(inspect.signature(save).parameters) == ["services"], save)
        expect("save_all(_build_persistence_save_dict())" in inspect.getsource(app._handle_lifespan), save)
        app._load_persisted_state = self.load
        app.save_all = self.save_last
        self._items = _Items(app._get_module("dynamodb"), store, expect)
        self._records = _Records(app._get_module("kinesis"), app._get_module("lambda_svc"), store, expect)
        self._code = _Code(app._get_module("lambda_svc"), store, expect)
        _keep_objects(app._get_module("s3"), store, expect)
        _drop_delivered(app._get_module("firehose"), expect)

    def load(self) -> None:
        """Restores everything, or ends the start: what is left out here would be gone for good with the next save."""
        states = self._of_earlier_version() if self._store.is_new else self._store.states()
        for service, module in self._app._state_map.items():
            if service in states:
                self._restore(service, module, json.loads(states[service], object_hook=self._decode))
        if self._store.is_new:
            self._items.put_all()
            self._records.put_all()
        else:
            self._items.load()
            self._records.load()
        self._code.prune()
        self.save(logs=True)
        self._store.flush()

    def save(self, *, logs: bool) -> None:
        """Puts the states that have changed. They reach the disk together."""
        changed = {}
        for service, get_state in self._app._build_persistence_save_dict().items():
            if service in LOGS and not logs:
                continue
            state = _captured(self._state_of(service, get_state))
            if state is None:
                continue
            content = json.dumps(state, default=self._encode)
            digest = hashlib.sha256(content.encode()).digest()
            if self._saved.get(service) != digest:
                changed[service] = content
                self._saved[service] = digest
        self._store.put_states(changed)

    def save_last(self, _: object) -> None:
        self.save(logs=True)
        self._store.close()

    def _state_of(self, service: str, get_state: Callable[[], Any]) -> Callable[[], Any]:
        return {"dynamodb": self._items.state, "kinesis": self._records.state}.get(service, get_state)

    def _restore(self, service: str, module: str, state: Any) -> None:
        if state:
            if service == "dynamodb":
                for table in state["tables"]._data.values():
                    table.setdefault("items", {})
            self._app._get_module(module).load_persisted_state(state)

    def _of_earlier_version(self) -> dict[str, str]:
        """Before there was a store, ministack saved a file of each service."""
        states = {}
        for service in self._app._state_map:
            state = self._read_file(service)
            if state is not None:
                states[service] = json.dumps(state, default=self._encode)
            elif (self._files / f"{service}.json").exists():
                raise SystemExit(
                    f"{self._files / service}.json is damaged. Restore it, or start over: ./shop down --delete"
                )
        return states


class KeptAnswers:
    """This ASGI application begins no answer before all that it can rest on is on the disk."""

    def __init__(self, application: Application, keeper: Keeper, store: Any) -> None:
        self._application = application
        self._keeper = keeper
        self._store = store
        self._is_used = True
        self._saving: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_kept(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._saving = asyncio.create_task(self._save_now_and_then())
            if message["type"] == "http.response.start":
                self._is_used = True
                if may_change_states(scope):
                    self._keeper.save(logs=False)
                await self._store.durable()
            await send(message)

        await self._application(scope, receive, send_kept)

    async def _save_now_and_then(self) -> None:
        pause = SECONDS_BETWEEN_SAVES
        while True:
            await asyncio.sleep(pause)
            if self._is_used:
                self._is_used = False
                started = time.monotonic()
                try:
                    self._keeper.save(logs=True)
                except Exception as error:  # noqa: BLE001 - it is told, and ends the process
                    self._store.end_unsaved(error)
                pause = max(SECONDS_BETWEEN_SAVES, (time.monotonic() - started) / SHARE_OF_TIME_MAX)


def may_change_states(scope: Any) -> bool:
    headers = dict(scope["headers"])
    target = headers.get(b"x-amz-target", b"").decode("latin-1")
    return not (
        scope["method"] in READING_METHODS
        or KEPT_BY_ITSELF.search(target)
        or RUNS_FUNCTIONS.search(scope["path"])
        or b".execute-api." in headers.get(b"host", b"")
    )


class _Items:
    """Each item of DynamoDB's tables is kept when it is written."""

    def __init__(self, dynamodb: Any, store: Any, expect: Expect) -> None:
        self._dynamodb = dynamodb
        self._store = store
        set_item, remove_item, replaced = dynamodb._set_item, dynamodb._remove_item, dynamodb._items_replaced
        expect(list(inspect.signature(set_item).parameters) == ["table", "pk_val", "sk_val", "item"], set_item)
        expect(list(inspect.signature(remove_item).parameters) == ["table", "pk_val", "sk_val"], remove_item)
        # One write goes through each of the two, and after every assignment of all items comes the third.
        source = inspect.getsource(dynamodb)
        expect(source.count("{})[sk_val] = ") == 1 and source.count("sk_map.pop(") == 1, set_item)
        expect(source.count('["items"] = ') == 5 and source.count("_items_replaced(") == 4, replaced)

        def set_and_keep(table: dict[str, Any], pk: object, sk: object, item: dict[str, Any]) -> Any:
            old = set_item(table, pk, sk, item)
            store.put_item(table["TableId"], pk, sk, json.dumps(item))
            return old

        def remove_and_keep(table: dict[str, Any], pk: object, sk: object) -> Any:
            store.remove_item(table["TableId"], pk, sk)
            return remove_item(table, pk, sk)

        def replace_and_keep(table: dict[str, Any]) -> None:
            replaced(table)
            self._put(table)

        dynamodb._set_item, dynamodb._remove_item = set_and_keep, remove_and_keep
        dynamodb._items_replaced = replace_and_keep
        for name in TRANSACTIONS:
            setattr(dynamodb, name, self._whole(getattr(dynamodb, name), expect))

    def state(self) -> Any:
        return _with_globals(self._dynamodb.get_state, _tables=_stripped(self._dynamodb._tables, _definition))()

    def load(self) -> None:
        value = self._dynamodb._extract_key_val
        tables = list(self._dynamodb._tables.all_values())
        for table in tables:
            found: dict[Any, dict[Any, Any]] = defaultdict(dict)
            for content in self._store.items(table["TableId"]):
                item = json.loads(content)
                sk = value(item.get(table["sk_name"])) if table["sk_name"] else "__no_sort__"
                found[value(item.get(table["pk_name"]))][sk] = item
            table["items"] = found
            self._dynamodb._update_counts(table)
        for deleted in self._store.tables() - {table["TableId"] for table in tables}:
            self._store.remove_items(deleted)

    def put_all(self) -> None:
        for table in self._dynamodb._tables.all_values():
            self._put(table)

    def _whole(self, transaction: Callable[[Any], Any], expect: Expect) -> Callable[[Any], Any]:
        """The items of a transaction reach the disk together. It must be done without giving way to anything else."""
        expect(list(inspect.signature(transaction).parameters) == ["data"], transaction)
        expect(not inspect.iscoroutinefunction(transaction), transaction)

        def whole(data: Any) -> Any:
            with self._store.together():
                return transaction(data)

        return whole

    def _put(self, table: dict[str, Any]) -> None:
        with self._store.together():
            self._store.remove_items(table["TableId"])
            for pk, items in table["items"].items():
                for sk, item in items.items():
                    self._store.put_item(table["TableId"], pk, sk, json.dumps(item))


class _Records:
    """Each record of Kinesis' streams is kept when it is put. A consumer's place is an index into a shard's records."""

    def __init__(self, kinesis: Any, lambda_svc: Any, store: Any, expect: Expect) -> None:
        self._kinesis = kinesis
        self._lambda = lambda_svc
        self._store = store
        self._kept: dict[tuple[str, str], str] = {}
        for name, parameters in {
            "_put_record": ["data"],
            "_put_records": ["data"],
            "put_record_internal": ["stream_arn", "partition_key", "data"],
        }.items():
            put = getattr(kinesis, name)
            expect(list(inspect.signature(put).parameters) == parameters, put)
            expect('["records"].append({' in inspect.getsource(put), put)
            setattr(kinesis, name, self._keeping(put))
        source = inspect.getsource(kinesis)
        expect(source.count('["records"].append(') == 3, kinesis._put_record)
        expect(
            'shard["records"][pos:pos + batch_size]' in inspect.getsource(lambda_svc._poll_kinesis),
            lambda_svc._poll_kinesis,
        )

    def state(self) -> Any:
        return _with_globals(self._kinesis.get_state, _streams=_stripped(self._kinesis._streams, _without_records))()

    def load(self) -> None:
        """Leaves out what is past the retention, and moves the consumers' places along with the rest."""
        for stream in self._kinesis._streams.all_values():
            oldest = time.time() - stream["RetentionPeriodHours"] * 3600
            for shard_id, shard in stream["shards"].items():
                records = [json.loads(content) for content in self._store.records(stream["StreamARN"], shard_id)]
                kept = [record for record in records if record["ApproximateArrivalTimestamp"] >= oldest]
                expired = len(records) - len(kept)
                shard["records"] = kept
                if records:
                    self._kept[stream["StreamARN"], shard_id] = records[-1]["SequenceNumber"]
                if expired:
                    first = kept[0]["SequenceNumber"] if kept else "~"
                    self._store.remove_records(stream["StreamARN"], shard_id, before=first)
                self._move_places(stream["StreamARN"], shard_id, expired, len(kept))

    def put_all(self) -> None:
        for stream in self._kinesis._streams.all_values():
            self._put_new(stream)

    def _keeping(self, put: Callable[..., Any]) -> Callable[..., Any]:
        kinesis = self._kinesis

        @functools.wraps(put)
        def put_and_keep(first: Any, *more: Any) -> Any:
            answer = put(first, *more)
            found = (
                kinesis._resolve_stream_by_arn(first) if isinstance(first, str) else kinesis._resolve_stream(first)[1]
            )
            if found:
                self._put_new(found)
            return answer

        return put_and_keep

    def _put_new(self, stream: dict[str, Any]) -> None:
        for shard_id, shard in stream["shards"].items():
            place = stream["StreamARN"], shard_id
            last = self._kept.get(place, "")
            for record in reversed(shard["records"]):
                if record["SequenceNumber"] <= last:
                    break
                self._store.put_record(*place, record["SequenceNumber"], json.dumps(record))
            if shard["records"]:
                self._kept[place] = shard["records"][-1]["SequenceNumber"]

    def _move_places(self, stream_arn: str, shard_id: str, expired: int, count: int) -> None:
        for mapping, places in self._lambda._kinesis_positions._data.items():
            if self._lambda._esms._data.get(mapping, {}).get("EventSourceArn") == stream_arn and shard_id in places:
                places[shard_id] = min(max(0, places[shard_id] - expired), count)


class _Code:
    """ministack keeps the zip files of functions by their digests."""

    def __init__(self, lambda_svc: Any, store: Any, expect: Expect) -> None:
        self._lambda = lambda_svc
        self._prune = prune = lambda_svc._prune_orphan_code_blobs
        write = lambda_svc._write_code_blob
        expect(list(inspect.signature(write).parameters) == ["code_zip"], write)
        expect(list(inspect.signature(prune).parameters) == ["referenced"], prune)
        # Files of some megabytes, which would be hashed anew for each save.
        digest = functools.lru_cache(maxsize=64)(lambda code: hashlib.sha256(code).hexdigest())

        def write_once(code: bytes) -> str:
            path = Path(lambda_svc.CODE_BLOB_DIR, f"{digest(code)}.zip")
            if not path.exists():
                write(code)
                store.put_file(path)
            return str(digest(code))

        lambda_svc._write_code_blob = write_once
        # A file must not go before the state that no longer names it is on the disk: all go at the next start.
        lambda_svc._prune_orphan_code_blobs = lambda _: None

    def prune(self) -> None:
        _with_globals(self._lambda.get_state, _prune_orphan_code_blobs=self._prune)()


def _keep_objects(s3: Any, store: Any, expect: Expect) -> None:
    """ministack writes each object to a file at once. When it can't, it only logs that."""
    write = s3._atomic_write
    expect(list(inspect.signature(write).parameters) == ["fpath", "data", "text"], write)
    expect(inspect.getsource(s3).count("os.replace(") == 1, write)

    def write_and_keep(path: str, data: Any, *, text: bool = False) -> None:
        try:
            write(path, data, text=text)
        except OSError as error:
            store.end_unsaved(error)
        store.put_file(Path(path))

    s3._atomic_write = write_and_keep


def _drop_delivered(firehose: Any, expect: Expect) -> None:
    """ministack keeps every record of a delivery stream for ever, beside the object in S3, and reads it never again."""
    deliver = firehose._deliver_records_to_s3
    expect(list(inspect.signature(deliver).parameters) == ["stream", "dest", "records"], deliver)
    expect(inspect.getsource(firehose).count('dest["records"]') == 3, deliver)

    def deliver_and_drop(stream: Any, dest: dict[str, Any], records: list[Any]) -> None:
        deliver(stream, dest, records)
        dest["records"].clear()

    firehose._deliver_records_to_s3 = deliver_and_drop


def _with_values_of_sql(encode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """ministack keeps the results of Athena's queries as DuckDB gives them, and can't save dates and the like. It
    answers with their text."""

    def encoded(value: Any) -> Any:
        return str(value) if isinstance(value, date | time_of_day | timedelta | Decimal | UUID) else encode(value)

    return encoded


def _captured(get_state: Callable[[], Any]) -> Any:
    """Other threads, such as CloudFormation's, go on with what is copied meanwhile."""
    for attempt in range(CAPTURE_ATTEMPTS):
        try:
            return get_state()
        except RuntimeError:
            if attempt == CAPTURE_ATTEMPTS - 1:
                raise
            time.sleep(0.001)
    return None


def _with_globals(function: Any, **replaced: Any) -> Any:
    """Returns the same function, for which some of its module's names mean something else."""
    return FunctionType(function.__code__, {**function.__globals__, **replaced})


def _stripped(scoped: Any, strip: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    result = type(scoped)()
    result._data = {key: strip(value) for key, value in list(scoped._data.items())}
    return result


def _definition(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in DERIVED}


def _without_records(stream: dict[str, Any]) -> dict[str, Any]:
    shards = {name: {**shard, "records": []} for name, shard in stream["shards"].items()}
    return {**stream, "shards": shards}
