"""The only wiring, and the only reader of the environment. Each function's parts are built once, at its first event."""

import os
from functools import cache
from pathlib import Path
from typing import Final

from shop_database import DatabaseSettings, Reconnecting, connect
from shop_database.migrations import Migrated
from shop_database.migrations import migrate as apply_migrations
from shop_dispatch.adapters.firehose import FirehoseArchive
from shop_dispatch.adapters.postgres import SCHEMA, PostgresReadModel
from shop_dispatch.application.archive import ArchiveBatch
from shop_dispatch.application.project import Project

SERVICE: Final = "shop-dispatch"
MIGRATION_TIMEOUT_MS: Final = 540_000


@cache
def project() -> Project:
    settings = DatabaseSettings.from_environment(os.environ)
    return Project(PostgresReadModel(Reconnecting(lambda: connect(settings, SERVICE, search_path=SCHEMA))))


@cache
def archive() -> ArchiveBatch:
    import boto3  # noqa: PLC0415 - 0.4 s that project and migrate don't need
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}, tcp_keepalive=True
    )
    client = boto3.Session().client("firehose", config=config)
    return ArchiveBatch(FirehoseArchive(client, os.environ["DELIVERY_STREAM_NAME"]))


def migrate() -> Migrated:
    settings = DatabaseSettings.from_environment(os.environ)
    with connect(settings, f"{SERVICE}-migrate", statement_timeout_ms=MIGRATION_TIMEOUT_MS) as connection:
        return apply_migrations(connection, migrations_folder())


def migrations_folder() -> Path:
    """Beside the package in the deployed zip, beside `src` in the checkout."""
    parents = Path(__file__).resolve().parents[1:3]
    return next(parent / "migrations" for parent in parents if (parent / "migrations").is_dir())
