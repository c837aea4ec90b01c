"""Everything is wired here, and the environment is read nowhere else. Parts are built once, at the first event."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import shop_shared
from shop_database import DatabaseSettings, Reconnecting, connect
from shop_database.migrations import Migrated
from shop_database.migrations import migrate as apply_migrations
from shop_dispatch.adapters import shadow
from shop_dispatch.adapters.firehose import FirehoseArchive
from shop_dispatch.adapters.postgres import PostgresParkedRecords, PostgresReadModel
from shop_dispatch.adapters.rows import PostgresRows
from shop_dispatch.adapters.sources import ArchiveSource, LogSource, StoreSource
from shop_dispatch.adapters.statements import SESSION
from shop_dispatch.application.archive import ArchiveBatch
from shop_dispatch.application.parking import Replay
from shop_dispatch.application.project import Project
from shop_dispatch.application.rebuild import BATCH_EVENTS, Rebuild
from shop_dispatch.domain.projections import PROJECTIONS
from shop_dispatch.domain.rebuild import EventSource
from shop_dispatch.ports import EventReader

if TYPE_CHECKING:
    import psycopg

SERVICE: Final = "shop-dispatch"
MIGRATION_TIMEOUT_MS: Final = 540_000
REBUILD_TIMEOUT_MS: Final = 840_000
"""One statement, such as building an index, may take this long, which is less than the function's own time-out."""


@cache
def project() -> Project:
    return Project(PostgresReadModel(_kept_connection()))


@cache
def parked() -> PostgresParkedRecords:
    return PostgresParkedRecords(_kept_connection())


@cache
def replay() -> Replay:
    return Replay(parked(), project())


@cache
def rows() -> PostgresRows:
    settings = DatabaseSettings.from_environment(os.environ)
    return PostgresRows(Reconnecting(lambda: connect(settings, f"{SERVICE}-verify", read_only=True)))


@cache
def _kept_connection() -> Reconnecting:
    settings = DatabaseSettings.from_environment(os.environ)
    return Reconnecting(lambda: open_read_model(settings))


def open_read_model(settings: DatabaseSettings) -> "psycopg.Connection":
    return connect(settings, SERVICE, session=SESSION)


@cache
def archive() -> ArchiveBatch:
    return ArchiveBatch(FirehoseArchive(_aws("firehose"), os.environ["DELIVERY_STREAM_NAME"]))


def migrate() -> Migrated:
    settings = DatabaseSettings.from_environment(os.environ)
    with connect(settings, f"{SERVICE}-migrate", statement_timeout_ms=MIGRATION_TIMEOUT_MS) as connection:
        return apply_migrations(connection, migrations_folder())


@contextmanager
def rebuild() -> Iterator[Rebuild]:
    """Opens a connection for this rebuild alone, so that its claim is free again however the rebuild ends."""
    settings = DatabaseSettings.from_environment(os.environ)
    with connect(settings, f"{SERVICE}-rebuild", statement_timeout_ms=REBUILD_TIMEOUT_MS) as connection:
        tables = ["stream_head", "event_log", *(projection.table for projection in PROJECTIONS)]
        yield Rebuild(shadow.ShadowTables(connection, tables, _code()), partial(_source, connection))


def _source(connection: "psycopg.Connection", source: EventSource) -> EventReader:
    match source:
        case EventSource.LOG:
            return LogSource(connection, BATCH_EVENTS)
        case EventSource.STORE:
            return StoreSource(_aws("dynamodb"), os.environ["TABLE_NAME"], BATCH_EVENTS)
        case EventSource.ARCHIVE:
            return ArchiveSource(_aws("s3"), os.environ["BUCKET_NAME"], BATCH_EVENTS)


@cache
def _code() -> str:
    """Identifies the code that reads and folds events: it changes whenever that code does."""
    digest = hashlib.sha256()
    for package in (Path(__file__).parent, Path(shop_shared.__file__).parent):
        for file in sorted(package.rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _aws(service: Any) -> Any:
    from shop_observability import aws_clients  # noqa: PLC0415 - 0.3 s that project and migrate don't need

    config = aws_clients.settings(
        SERVICE,
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 4},
        tcp_keepalive=True,
    )
    return aws_clients.session().create_client(service, config=config)


def migrations_folder() -> Path:
    """Finds the migrations, which lie beside the package in the deployed zip and beside `src` in the checkout."""
    parents = Path(__file__).resolve().parents[1:3]
    return next(parent / "migrations" for parent in parents if (parent / "migrations").is_dir())
