"""The archive against moto's Firehose, and against one that refuses."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from shop_dispatch.adapters import firehose
from shop_dispatch.adapters.firehose import (
    ATTEMPTS_MAX,
    BACKOFF_SECONDS,
    RECORD_BYTES,
    RECORD_LINES_MAX,
    RECORDS_MAX,
    REQUEST_BYTES_MAX,
    FirehoseArchive,
)
from shop_dispatch.application.archive import LINE_BYTES_MAX, ArchiveBatch
from shop_dispatch.domain.records import Event, Parked, Trace, read
from shop_dispatch.ports import ArchiveError
from shop_shared.envelope import encode

REFUSED = {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        session = boto3.Session("key", "secret", region_name="us-east-1")
        session.client("s3").create_bucket(Bucket="archive")
        client = session.client("firehose")
        client.create_delivery_stream(
            DeliveryStreamName="events",
            ExtendedS3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::123456789012:role/firehose",
                "BucketARN": "arn:aws:s3:::archive",
            },
        )
        yield client


class Requests:
    """Watches the calls as they leave, and answers those that `refuse` says something about."""

    def __init__(self, client: Any) -> None:
        self.sent: list[list[bytes]] = []
        self.answers: list[list[bool]] = []
        client.meta.events.register("provide-client-params.firehose.PutRecordBatch", self._note)
        client.meta.events.register("before-call.firehose.PutRecordBatch", self._answer)
        self.body_bytes: list[int] = []

    def refuse(self, *answers: list[bool]) -> None:
        """One list a call: True refuses the record at that place. Calls beyond these go through."""
        self.answers = list(answers)

    def _note(self, params: Any, **_: Any) -> None:
        self.sent.append([record["Data"] for record in params["Records"]])

    def _answer(self, params: Any, **_: Any) -> Any:
        self.body_bytes.append(len(params["body"]))
        if not self.answers:
            return None
        entries = [REFUSED if refused else {"RecordId": "1"} for refused in self.answers.pop(0)]
        response = type("Response", (), {"status_code": 200})()
        return response, {"FailedPutCount": 1, "RequestResponses": entries}


def stored(client: Any) -> list[bytes]:
    s3 = boto3.Session("key", "secret", region_name="us-east-1").client("s3")
    objects = s3.list_objects_v2(Bucket="archive").get("Contents", [])
    bodies = [s3.get_object(Bucket="archive", Key=item["Key"])["Body"].read() for item in objects]
    return [line for body in bodies for line in body.splitlines()]


def no_sleep(_seconds: float) -> None:
    return


def test_each_event_becomes_a_line_of_json_as_it_was(client: Any, product: Any) -> None:
    mug = product("MUG")
    records = [encode(mug.listed()), encode(mug.received())]
    archived = ArchiveBatch(FirehoseArchive(client, "events"))(records)
    assert (archived.records, archived.archived, archived.skipped) == (2, 2, 0)
    assert archived.traces == tuple(event.trace for event in map(read, records) if isinstance(event, Event))
    assert stored(client) == records


def test_what_would_break_a_query_is_left_out_and_an_unknown_type_is_kept(client: Any, product: Any) -> None:
    record = encode(product("MUG").listed())
    newer = record.replace(b"listed.v1", b"listed.v9")
    indented = json.dumps(json.loads(record), indent=2).replace("\n", "\r\n").encode()
    changed = record.removesuffix(b"}")
    versions = [b"2147483648", b"0", b"1.0", b"true", b'"1"', b"1e400", b"null"]
    unfit = [
        *(b"\xff", b"", b"[]", b"{}", b'{"type":1}', b"[" * 100_000),
        *(record.replace(b'"streamversion":1', b'"streamversion":' + version) for version in versions),
        changed + b',"id":"another"}',
        changed + b',"Source":"another"}',
        record.replace(b'"sku"', b'"sku":"POT","sku"'),
        changed + b',"colour":"\\ud800"}',
        changed + b',"\\uDC00":{"deep":[""]}}',
    ]
    whole_pair = changed + b',"colour":"\\ud83d\\ude00 \\\\ud800"}'
    foreign = b'{"specversion":"1.0","id":"1","source":"/elsewhere","type":"other"}'
    last = record.replace(b'"streamversion":1', b'"streamversion":2147483647')
    archived = ArchiveBatch(FirehoseArchive(client, "events"))([*unfit, newer, indented, whole_pair, last, foreign])
    assert (archived.archived, archived.skipped, archived.too_large) == (5, len(unfit), 0)
    assert archived.traces[-1] == Trace("", "", "other", "")
    # The read model has nothing that the archive lacks, and a rebuild from either is the same.
    assert [it for it in unfit if not isinstance(read(it), Parked)] == []
    assert isinstance(read(indented), Event)
    assert isinstance(read(whole_pair), Event)
    first, second, *others = stored(client)
    assert first == newer
    assert json.loads(second) == json.loads(record)
    assert others == [whole_pair, last, foreign]


def test_what_is_too_large_is_lost_and_counted_as_such(client: Any, product: Any) -> None:
    record = encode(product("MUG").listed())
    room = LINE_BYTES_MAX - len(record + b"\n")
    largest, larger = (record.replace(b"tea", b"tea" + b"." * more) for more in (room, room + 1))
    archived = ArchiveBatch(FirehoseArchive(client, "events"))([larger, largest])
    assert (archived.archived, archived.skipped, archived.too_large) == (1, 0, 1)
    assert stored(client) == [largest]


def line(text: bytes, length: int = RECORD_BYTES) -> bytes:
    """It is as long as a record is made by default, so that it is one."""
    return text.ljust(length - 1, text) + b"\n"


A, B, C, D = (line(text) for text in (b"a", b"b", b"c", b"d"))


def test_events_share_records_that_are_billed_at_little_more_than_their_size(client: Any, product: Any) -> None:
    event = encode(product("MUG").listed())
    requests = Requests(client)
    ArchiveBatch(FirehoseArchive(client, "events", no_sleep))([event] * 10_000)
    records = [record for request in requests.sent for record in request]
    assert b"".join(records) == (event + b"\n") * 10_000
    assert all(record.endswith(b"\n") for record in records)
    assert {record.count(b"\n") for record in records[:-1]} <= {RECORD_LINES_MAX, RECORD_BYTES // (len(event) + 1)}
    billed = sum(-(-len(record) // 5_120) * 5_120 for record in records)
    assert billed < 1.02 * len(b"".join(records))
    assert -(-len(event) // 5_120) * 5_120 > 6 * len(event)


def test_a_record_holds_what_firehose_takes_apart_again_and_no_line_is_cut(client: Any) -> None:
    requests = Requests(client)
    archive = FirehoseArchive(client, "events", no_sleep)
    archive.put([b"x\n"] * (RECORD_LINES_MAX + 1))
    assert [record.count(b"\n") for record in requests.sent.pop()] == [RECORD_LINES_MAX, 1]
    halves = [line(text, RECORD_BYTES // 2) for text in (b"a", b"b", b"c")]
    archive.put(halves)
    assert requests.sent.pop() == [halves[0] + halves[1], halves[2]]
    archive.put([b"x\n", line(b"y", LINE_BYTES_MAX), b"z\n"])
    assert [len(record) for record in requests.sent.pop()] == [2, LINE_BYTES_MAX, 2]


def test_only_what_was_refused_is_sent_again(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda *bounds: bounds)
    requests = Requests(client)
    requests.refuse([False, True, False, True], [True, False])
    slept: list[Any] = []
    FirehoseArchive(client, "events", slept.append).put([A, B, C, D])
    assert requests.sent == [[A, B, C, D], [B, D], [B]]
    assert stored(client) == [B.strip()]
    assert slept == [(0, BACKOFF_SECONDS), (0, 2 * BACKOFF_SECONDS)]


def test_after_the_last_attempt_the_batch_is_given_back(client: Any) -> None:
    requests = Requests(client)
    requests.refuse([False, True], *[[True]] * (ATTEMPTS_MAX - 1))
    with pytest.raises(ArchiveError, match="1 records refused: ServiceUnavailableException") as raised:
        FirehoseArchive(client, "events", no_sleep).put([A, B])
    assert raised.value.refused == 1
    assert len(requests.sent) == ATTEMPTS_MAX


def test_a_request_keeps_to_500_records_and_4_mib_as_it_is_sent(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(client)
    archive = FirehoseArchive(client, "events", no_sleep)
    archive.put([line(b"x", LINE_BYTES_MAX)] * 5)
    assert [len(records) for records in requests.sent] == [3, 2]
    requests.sent.clear()
    archive.put([A] * 25)
    assert [len(records) for records in requests.sent] == [11, 11, 3]
    assert max(requests.body_bytes) <= REQUEST_BYTES_MAX
    requests.sent.clear()
    monkeypatch.setattr("shop_dispatch.adapters.firehose.RECORD_BYTES", 2)
    archive.put([b"x\n"] * (2 * RECORDS_MAX + 1))
    assert [len(records) for records in requests.sent] == [RECORDS_MAX, RECORDS_MAX, 1]


@pytest.mark.parametrize("length", [30, 31, 32])
def test_a_request_has_as_many_records_as_its_bytes_allow(
    client: Any, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(firehose, "RECORD_BYTES", 1)
    lines = [line(bytes([letter]), length) for letter in b"abcdefg"]
    three = 3 * len('{"Data": ""}, ' + base64.b64encode(lines[0]).decode()) + firehose._REQUEST_FRAME_BYTES
    requests = Requests(client)
    for bytes_max, counts in ((three, [3, 3, 1]), (three - 1, [2, 2, 2, 1])):
        monkeypatch.setattr(firehose, "REQUEST_BYTES_MAX", bytes_max)
        requests.sent.clear()
        FirehoseArchive(client, "events", no_sleep).put(lines)
        assert [len(records) for records in requests.sent] == counts


def test_an_answer_that_leaves_out_a_record_is_no_success(client: Any) -> None:
    Requests(client).refuse([False])
    with pytest.raises(ValueError, match="shorter"):
        FirehoseArchive(client, "events", no_sleep).put([A, B])


def test_an_empty_batch_calls_nobody(client: Any) -> None:
    requests = Requests(client)
    assert ArchiveBatch(FirehoseArchive(client, "events"))([]).records == 0
    assert requests.sent == []
