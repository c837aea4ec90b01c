"""Whatever a test run or a benchmark has started ends with it, however that happens: no process, port or folder stays.

Its temporary files lie in one folder. Whatever it starts is known by that folder, which TMPDIR and other variables name
in the environment of each child; PostgreSQL overwrites its environment, but its command line names its data. A second
process, the guard, waits until the first is gone, then ends them and removes the folder.

Linux offers PR_SET_PDEATHSIG instead. It follows the thread that started a child, loses a server that has detached
itself, such as PostgreSQL or those of `shop up --detach`, and leaves the folders.
"""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache

import psutil

CLEAN_UP_SECONDS_MAX = 60


@cache
def guard_this_process() -> None:
    """Call it before anything is started. A later call does nothing: `make mutants` runs pytest again and again in one
    process and its forks, and a folder within the first one would be closed to servers of other users."""
    folder = tempfile.mkdtemp(prefix="shop-run-")
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    # The kernel closes the writing end, which no program that we start inherits, when this process ends.
    reading, _writing = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, reading, 0),
        *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)),
    ]
    # It has a session of its own, so that neither Ctrl-C nor a signal to the whole group reaches it.
    os.posix_spawn(sys.executable, [sys.executable, "-I", __file__, folder], {}, file_actions=actions, setsid=True)
    os.close(reading)


def _guard(folder: str) -> None:
    sys.stdin.buffer.read()
    deadline = time.monotonic() + CLEAN_UP_SECONDS_MAX
    # A process may start another one while we look, so we look again until none is found.
    while (left := list(_started_for(folder))) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                # PostgreSQL ends at once on SIGQUIT, and then gives its shared memory back.
                process.send_signal(signal.SIGQUIT if process.name() == "postgres" else signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def _started_for(folder: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            words = process.cmdline() if process.name() == "postgres" else process.environ().values()
            if any(folder in word for word in words) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


if __name__ == "__main__":
    _guard(sys.argv[1])
