"""The local X-Ray takes segments by UDP as the daemon does, keeps them in a file, and gives them to moto to serve.

`python -m shop_cli.local.collector --help` says how it is started.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.xray.exceptions import BadSegmentException
from moto.xray.models import xray_backends
from werkzeug.datastructures import EnvironHeaders
from werkzeug.serving import make_server

from shop_cli.local.emulator import REGION
from shop_payment_provider.browser_guard import Guard, GuardedRequest, refused, with_cors

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

DATAGRAM_BYTES_MAX = 65_535
RECEIVE_BUFFER_BYTES = 8_000_000  # a burst from a load test waits in the kernel, not lost
QUEUE_MAX = 20_000
POLL_SECONDS = 0.1
MOTO_ACCOUNT = "123456789012"


class Collector:
    """Both ports are served inside of this context manager. A datagram is at worst counted and logged."""

    def __init__(self, *, udp_port: int, http_port: int, data: Path, bytes_max: int) -> None:
        self.kept = self.malformed = self.dropped = 0
        self._data = data
        self._bytes_max = bytes_max
        self._stopping = threading.Event()
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUE_MAX)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._udp.settimeout(POLL_SECONDS)
        self._udp.bind(("127.0.0.1", udp_port))
        self.udp_port: int = self._udp.getsockname()[1]
        self._server = make_server(
            *("127.0.0.1", http_port, self._answer), threaded=True, request_handler=MotoRequestHandler
        )
        self.http_port: int = self._server.server_port
        self._guard = Guard(self.http_port)
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto serves what is in this process, so segments are given to it without a request.
        self._xray = xray_backends[MOTO_ACCOUNT][REGION]
        self._threads = [
            threading.Thread(target=run) for run in (self._receive, self._keep, self._server.serve_forever)
        ]

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._server.server_close()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """No page may call it, and none reads an answer: moto itself lets every origin do both."""
        headers = tuple((name.lower(), value) for name, value in EnvironHeaders(environ).items())
        reason = self._guard.refusal(GuardedRequest(environ["REQUEST_METHOD"], environ["PATH_INFO"], "", headers))
        if reason:
            body, answered = refused(reason)
            start_response("403 Forbidden", answered)
            return [body]

        def start(status: str, answered: list[tuple[str, str]], *more: Any) -> Callable[[bytes], object]:
            return start_response(status, with_cors(answered, None), *more)

        answer: Iterable[bytes] = self._moto(environ, start)
        return answer

    def _receive(self) -> None:
        """Does nothing but empty the socket: what the kernel's buffer can't hold is lost without a trace."""
        while not self._stopping.is_set():
            try:
                self._queue.put_nowait(_document(self._udp.recv(DATAGRAM_BYTES_MAX)))
            except TimeoutError:
                pass
            except (ValueError, RecursionError) as error:
                self._refuse(str(error))
            except queue.Full:
                self.dropped += 1
        self._queue.put(None)

    def _keep(self) -> None:
        self._reload()
        while (document := self._queue.get()) is not None:
            if self._put(document):
                with self._data.open("a", encoding="utf-8") as file:
                    file.write(document + "\n")
                if self._data.stat().st_size > self._bytes_max:
                    self._xray.reset()
                    self.kept = 0
                    self._reload()

    def _reload(self) -> None:
        """Gives moto what the file has, cut to the newest half of the bound when it is over it."""
        for document in newest_documents(self._data, self._bytes_max):
            self._put(document)

    def _put(self, document: str) -> bool:
        try:
            self._xray.process_segment(document)
        except (BadSegmentException, ArithmeticError, TypeError, ValueError) as error:
            self._refuse(repr(error))
            return False
        self.kept += 1
        return True

    def _refuse(self, reason: str) -> None:
        self.malformed += 1
        print(json.dumps({"event": "malformed", "reason": reason, "count": self.malformed}), flush=True)


def newest_documents(data: Path, bytes_max: int) -> list[str]:
    """Returns the file's whole documents, oldest first. A file over `bytes_max` is first cut to its newest half."""
    if not data.exists():
        return []
    # splitlines would not do: a document may hold characters that are line breaks only to Python
    lines = [line for line in data.read_text(encoding="utf-8", errors="replace").split("\n") if _is_segment(line)]
    if data.stat().st_size > bytes_max:
        sizes = accumulate(len(line.encode()) + 1 for line in reversed(lines))
        lines = lines[len(lines) - sum(size <= bytes_max // 2 for size in sizes) :]
    # rewritten whole and moved into place: a line that a kill cut short must not swallow the next one
    rewritten = data.with_suffix(data.suffix + ".new")
    rewritten.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    rewritten.replace(data)
    return lines


def _document(datagram: bytes) -> str:
    """Returns the segment document of a datagram, on one line. Raises ValueError, UnicodeDecodeError included."""
    header, separator, document = datagram.decode().partition("\n")
    if not separator or json.loads(header) != {"format": "json", "version": 1}:
        raise ValueError("the datagram does not start with the daemon's header")
    segment = json.loads(document)
    if not _is_complete(segment):
        raise ValueError("it is not a segment: trace_id, id, name, start_time and end_time or in_progress are needed")
    return json.dumps(segment) if "\n" in document or "\r" in document else document


def _is_segment(line: str) -> bool:
    try:
        return _is_complete(json.loads(line))
    except ValueError:
        return False


def _is_complete(segment: Any) -> bool:
    return (
        isinstance(segment, dict)
        and all(isinstance(segment.get(name), str) for name in ("trace_id", "id", "name"))
        and isinstance(segment.get("start_time"), int | float)
        and (isinstance(segment.get("end_time"), int | float) or segment.get("in_progress") is True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shop_cli.local.collector", description=__doc__)
    parser.add_argument("--udp-port", type=int, required=True, help="where functions send their segments")
    parser.add_argument("--http-port", type=int, required=True, help="where X-Ray's API answers")
    parser.add_argument("--data", type=Path, required=True, help="file of JSON lines; made if absent")
    parser.add_argument("--megabytes-max", type=float, default=16.0, help="the newest that are kept (default 16)")
    arguments = parser.parse_args()

    os.umask(0o077)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    failed: list[threading.ExceptHookArgs] = []

    def end_with_the_thread(hook: threading.ExceptHookArgs) -> None:
        failed.append(hook)
        threading.__excepthook__(hook)
        stopping.set()

    threading.excepthook = end_with_the_thread  # a collector that no longer collects must not look alive
    collector = Collector(
        udp_port=arguments.udp_port,
        http_port=arguments.http_port,
        data=arguments.data,
        bytes_max=int(arguments.megabytes_max * 1_000_000),
    )
    with collector:
        started = {"event": "ready", "udp_port": collector.udp_port, "http_port": collector.http_port}
        print(json.dumps(started | {"segments": collector.kept}), flush=True)
        stopping.wait()
    stopped = {"event": "stopped", "segments": collector.kept, "malformed": collector.malformed}
    print(json.dumps(stopped | {"dropped": collector.dropped}), flush=True)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
