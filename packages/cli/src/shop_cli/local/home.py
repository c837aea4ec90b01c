"""One local shop lives in a folder of its own: data, logs, ports, secrets and the record of what runs.

One folder is one shop. Two shops on one machine never share anything but the sources, so every path comes from here.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shop_cli.errors import ShopError

CHECKOUT = Path(__file__).resolve().parents[5]
LOCK_WAIT_SECONDS = 600.0


@dataclass(frozen=True)
class ProcessRecord:
    """We started this process. The creation time tells it from a later process that got the same pid."""

    name: str
    pid: int
    created: float
    log: str
    port: int | None = None


@dataclass(frozen=True)
class RecordedRun:
    """This run goes on now, or did when a crash left it behind. `ready` turns true when the start is complete."""

    supervisor: ProcessRecord
    detached: bool
    aws: bool
    ready: bool = False
    processes: tuple[ProcessRecord, ...] = ()


@dataclass
class State:
    """The state survives from run to run. It is written with mode 0600, because it holds the secrets."""

    ports: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    # This URL belongs to the administrator of a PostgreSQL that is not ours; when it is empty, we start one.
    database_url: str = ""
    deployed_digest: str = ""
    seeded_digest: str = ""
    last_trace: str = ""

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
        return self.secrets.setdefault(name, make())


@dataclass(frozen=True)
class Home:
    path: Path

    @classmethod
    def current(cls) -> Home:
        return cls(Path(os.environ.get("SHOP_HOME") or CHECKOUT / ".shop").expanduser().resolve())

    @property
    def is_default(self) -> bool:
        return self.path == CHECKOUT / ".shop"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def create(self) -> None:
        self.expect_a_shops()
        self.path.mkdir(parents=True, exist_ok=True)
        # PostgreSQL refuses to run as root: then its own account must pass through to its folder, and can't look.
        self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        (self.path / "lock").touch(mode=0o600)
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def close_to_others(self) -> None:
        """Takes from others what an earlier version, or a program with a umask of its own, has let them read.
        PostgreSQL, which may run under another account, looks after its folder by itself."""
        for child in self.path.iterdir():
            if child.name != "postgres":
                close_to_others(child)

    def expect_a_shops(self) -> None:
        """A folder of something else, named by mistake, must never be filled, opened to others or deleted."""
        if self.path.exists() and any(self.path.iterdir()) and not (self.path / "lock").exists():
            raise ShopError(f"{self.path} is not empty and no shop's folder: name another one in SHOP_HOME")

    def state(self) -> State:
        return State(**self._read("state.json"))

    def save(self, state: State) -> None:
        self.write_private("state.json", json.dumps(asdict(state), indent=2))

    def run(self) -> RecordedRun | None:
        content = self._read("run.json")
        if not content:
            return None
        supervisor = ProcessRecord(**content.pop("supervisor"))
        processes = tuple(ProcessRecord(**each) for each in content.pop("processes"))
        return RecordedRun(supervisor=supervisor, processes=processes, **content)

    def record(self, run: RecordedRun | None) -> None:
        if run is None:
            (self.path / "run.json").unlink(missing_ok=True)
        else:
            self.write_private("run.json", json.dumps(asdict(run), indent=2))

    def write_private(self, name: str, content: str) -> Path:
        return write_private(self.path / name, content)

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ShopError(f"{path} is damaged ({error}). Start over with: ./shop down --delete") from error
        return dict(content)

    @contextmanager
    def lock(self, on_wait: Callable[[], None], wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
        """Only one command at a time starts or stops a shop; the others wait. The kernel frees it after a crash."""
        self.create()
        with exclusive(self.path / "lock", on_wait, wait_seconds):
            yield


def write_private(path: Path, content: str) -> Path:
    """Replaces the file in one step, so that a reader, a crash half-way, a full disk or a cut of the power never leaves
    half of it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        temporary.unlink()
        raise
    temporary.replace(path)
    return path


def close_to_others(path: Path) -> None:
    for found in (path, *(path.rglob("*") if path.is_dir() else ())):
        # A file may be temporary, and gone when its turn comes.
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(found.lstat().st_mode)
            if mode & 0o077 and not found.is_symlink():
                found.chmod(mode & 0o700)


@contextmanager
def exclusive(path: Path, on_wait: Callable[[], None], wait_seconds: float) -> Iterator[None]:
    """Holds an advisory lock on a file or folder. Children do not inherit it, so it ends with this process."""
    if not path.is_dir():
        path.touch(mode=0o600)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        deadline = time.monotonic() + wait_seconds
        has_reported = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    message = f"Another shop command has held {path} for {wait_seconds:.0f} s: end it, then try again"
                    raise ShopError(message) from None
                if not has_reported:
                    on_wait()
                    has_reported = True
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
