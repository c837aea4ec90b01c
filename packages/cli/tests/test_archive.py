"""The archive's objects are read in the form that each stage has."""

import gzip
import io
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from shop_cli.operations import archive
from shop_cli.operations.verify.sources import ShopSources
from shop_cli.target import Function, Target

LINES = [b'{"id": "1"}', b'{"id": "2"}']
CONTENT = b"\n".join(LINES) + b"\n"


class FakeS3:
    """A bucket with an object as Firehose writes it on AWS, one as the emulator does, and one of somebody else."""

    objects: ClassVar[dict[str, bytes]] = {
        "events/date=2026-11-01/on-aws.gz": gzip.compress(CONTENT),
        "events/date=2026-11-02/here.json": CONTENT,
        "parquet/date=2026-11-01/type=shop.purchase.confirmed.v1/on-aws.parquet": b"PAR1",
    }

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803 - the API's names
        return {"Body": io.BytesIO(self.objects[Key])}

    def get_paginator(self, _: str) -> "FakeS3":
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: ARG002, N803 - the API's names
        return [{"Contents": [{"Key": key}]} for key in self.objects if key.startswith(Prefix)]


@pytest.mark.parametrize("key", [key for key in FakeS3.objects if key.startswith(archive.PREFIX)])
def test_an_object_gives_its_lines_compressed_or_not(key: str) -> None:
    assert archive.lines(FakeS3(), "bucket", key) == LINES


def test_events_of_a_stream_are_found_beside_one_without_a_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 2, tzinfo=UTC)
    lines = [b'{"type": "other"}', b'{"type": "shop.product.listed.v1", "subject": "product-MUG"}']
    monkeypatch.setattr(FakeS3, "objects", {"events/1.json": b"\n".join(lines)})
    pages = [{"Contents": [{"Key": "events/1.json", "LastModified": now}]}]
    monkeypatch.setattr(FakeS3, "paginate", lambda *_, **__: pages)
    target = Target("local")
    monkeypatch.setattr(Target, "client", lambda *_: FakeS3())
    monkeypatch.setattr(Target, "outputs", {"BucketName": "bucket"})
    found = archive.objects_with(target, "product-MUG", now)
    assert found == {"events/1.json": ["shop.product.listed.v1"]}


def test_an_audit_reads_every_line_once_and_no_parquet() -> None:
    sources = ShopSources(lambda _: FakeS3(), "table", "bucket", Function(None, "verify"), "", "", "")
    assert list(sources.archived()) == LINES + LINES
