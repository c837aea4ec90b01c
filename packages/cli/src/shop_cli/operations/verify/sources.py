"""Reads a shop's systems, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import httpx

from shop_cli.errors import ShopError
from shop_cli.operations import archive
from shop_cli.target import Function, Target

OBJECTS_AT_ONCE: Final = 4
"""Objects of the archive that are read, and in memory, together: each up to Firehose's 64 MiB."""


@dataclass(frozen=True)
class ShopSources:
    client: Callable[[str], Any]
    table: str
    bucket: str
    read_model: Function
    actor: str
    payment_url: str
    payment_api_key: str
    rebuilt: bool = False
    """The new tables of a rebuild are read, which are not in use yet."""

    @classmethod
    def of(cls, target: Target, payment_url: str, *, rebuilt: bool = False) -> ShopSources:
        provider = target.payment_provider(payment_url)
        names = target.outputs["TableName"], target.outputs["BucketName"]
        return cls(target.client, *names, target.function("verify"), target.actor, *provider, rebuilt)

    def items(self) -> Iterator[Mapping[str, Any]]:
        return self._scan(ConsistentRead=True)

    def due(self) -> Iterator[Mapping[str, Any]]:
        return self._scan(IndexName="due")

    def rows(self, table: str) -> Iterator[Mapping[str, Any]]:
        request = {"table": table, "rebuilt": self.rebuilt, "actor": self.actor}
        for page in self.read_model.pages(request):
            yield from page["rows"]

    def archived(self) -> Iterator[bytes]:
        s3 = self.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=archive.PREFIX)
        keys = (entry["Key"] for page in pages for entry in page.get("Contents", []))

        def read(key: str) -> list[bytes]:
            return archive.lines(s3, self.bucket, key)

        with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
            while some := list(islice(keys, OBJECTS_AT_ONCE)):
                for lines in pool.map(read, some):
                    yield from lines

    def paid(self) -> Iterator[Mapping[str, Any]]:
        with httpx.Client(base_url=self.payment_url, auth=(self.payment_api_key, ""), timeout=30) as provider:
            for path in ("/v1/payment_intents", "/v1/charges", "/v1/refunds", "/v1/disputes"):
                parameters: dict[str, Any] = {"limit": 100}
                more = True
                while more:
                    page = provider.get(path, params=parameters).raise_for_status().json()
                    yield from page["data"]
                    more = page["has_more"]
                    parameters |= {"starting_after": page["data"][-1]["id"]} if more else {}

    def _scan(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.table, **arguments)
        for page in pages:
            for item in page["Items"]:
                yield {name: _attribute(value) for name, value in item.items()}


def _attribute(value: Mapping[str, Any]) -> Any:
    return int(value["N"]) if "N" in value else value.get("S", value.get("SS"))


@contextmanager
def reading() -> Iterator[None]:
    """Turns what a system's own library raises, or SQLite on a full disk, into the error that nothing is known."""
    try:
        yield
    except ShopError as error:
        raise CouldNotCheckError(str(error)) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("httpx", "botocore", "sqlite3"):
            raise
        raise CouldNotCheckError(f"{type(error).__name__}: {error}") from error


class CouldNotCheckError(ShopError):
    def __init__(self, cause: str) -> None:
        super().__init__(f"The shop could not be checked: {cause}", exit_code=2)
