"""The read model on a writer and a streaming replica, with the functions' own wiring.

On Aurora the two share one storage: the replica is milliseconds behind, and a commit that was answered is there after
every failover. Here the replica has files of its own, so a test can hold it back, cut it off and promote it.
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Replication.html
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from shop_cli.local.postgres import BINARIES, account, let_through
from shop_cli.local.processes import as_user
from shop_database.migrations import migrate
from shop_database.testing import LOCALE, ROLES
from shop_dispatch.bootstrap import migrations_folder

SECONDS_MAX: Final = 120


@dataclass(frozen=True)
class Server:
    folder: Path
    user: str | None = field(default_factory=account)

    def run(self, program: str, *arguments: str) -> None:
        command = [str(BINARIES / program), "-D", str(self.folder / "data"), *arguments]
        # The server inherits what it prints to, so that a pipe would never end.
        with (self.folder / "output").open("wb") as output:
            done = subprocess.run(command, stdout=output, stderr=output, cwd="/", check=False, **as_user(self.user))
        if done.returncode:
            raise RuntimeError((self.folder / "output").read_text())

    def start(self) -> None:
        settings = f"-h '' -k {self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-w", "-t", str(SECONDS_MAX), "-l", log, "-o", settings, "start")

    def crash(self) -> None:
        self.run("pg_ctl", "-m", "immediate", "stop")

    def promote(self) -> None:
        self.run("pg_ctl", "-w", "-t", str(SECONDS_MAX), "promote")

    def url(self, role: str = "postgres", database: str = "shop") -> str:
        return make_conninfo(host=str(self.folder), user=role, dbname=database)

    def value(self, expression: str) -> Any:
        with psycopg.connect(self.url(), autocommit=True) as superuser:
            row = superuser.execute(f"SELECT {expression}".encode()).fetchone()
            return row and row[0]

    def set(self, setting: str, value: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as superuser:
            superuser.execute(f"ALTER SYSTEM SET {setting} = '{value}'".encode())
            superuser.execute("SELECT pg_reload_conf()")


@dataclass(frozen=True)
class Servers:
    writer: Server
    replica: Server

    def url(self, role: str) -> str:
        """Leads to whichever is the writer, as the name of Aurora's cluster does."""
        hosts = f"{self.writer.folder},{self.replica.folder}"
        return make_conninfo(self.writer.url(role), host=hosts, target_session_attrs="read-write")

    def catch_up(self) -> None:
        written = self.writer.value("pg_current_wal_lsn()")
        wait(lambda: self.replica.value(f"pg_last_wal_replay_lsn() >= '{written}'"))

    def hold_back(self) -> None:
        self.replica.value("pg_wal_replay_pause()")
        wait(lambda: self.replica.value("pg_get_wal_replay_pause_state() = 'paused'"))

    def let_go(self) -> None:
        self.replica.value("pg_wal_replay_resume()")
        self.catch_up()

    def commit_on_both(self) -> None:
        """The writer answers a commit only when the replica has it, too."""
        self.writer.set("synchronous_standby_names", "*")
        wait(lambda: self.writer.value("count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"))

    def cut_off(self) -> None:
        """The replica never gets what the writer commits after this."""
        self.replica.set("primary_conninfo", "")
        wait(lambda: not self.writer.value("count(*) FROM pg_stat_replication"))


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def servers() -> Iterator[Servers]:
    # The folder is not pytest's, because a socket's path may have 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="shop-replica-", ignore_cleanup_errors=True) as name:
        writer, replica = Server(Path(name) / "writer"), Server(Path(name) / "replica")
        for server in (writer, replica):
            server.folder.mkdir()
            if server.user:
                shutil.chown(server.folder, server.user, server.user)
                let_through(server.folder)
        if writer.user:
            let_through(BINARIES / "postgres")
        writer.run("initdb", "-U", "postgres", "--auth=trust", "--no-sync", f"--locale={LOCALE}", "--encoding=UTF8")
        try:
            writer.start()
            with psycopg.connect(writer.url(database="postgres"), autocommit=True) as superuser:
                for role in ROLES:
                    superuser.execute(f"CREATE ROLE {role} LOGIN".encode())
                superuser.execute("CREATE DATABASE shop OWNER shop_owner")
            with psycopg.connect(writer.url("shop_owner"), autocommit=True) as owner:
                migrate(owner, migrations_folder())
            writer_host = ("-h", str(writer.folder), "-U", "postgres")
            replica.run("pg_basebackup", *writer_host, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
            replica.start()
            yield Servers(writer, replica)
        finally:
            for server in (replica, writer):
                if (server.folder / "data" / "postmaster.pid").exists():
                    server.crash()
