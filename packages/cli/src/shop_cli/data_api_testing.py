"""The RDS Data API for tests, in its wire format: what it is asked to execute goes to a function.

with running_data_api(statements.append, faults=["DatabaseResumingException"]) as url:
    boto3.client("rds-data", endpoint_url=url)  # the first call is answered with the fault, and does nothing
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import psycopg

from shop_cli.local.ports import HOST

# https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/API_ExecuteStatement.html#API_ExecuteStatement_Errors
STATUS: Final = {"DatabaseUnavailableException": 504, "ThrottlingException": 429}


@contextmanager
def running_data_api(execute: Callable[[str], object], faults: Iterable[str] = ()) -> Iterator[str]:
    """A psycopg.Error of `execute` is answered as a database's error."""
    waiting = list(faults)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault, message = (waiting.pop(0), "") if waiting else ("", "")
            if not fault:
                try:
                    execute(asked["sql"])
                except psycopg.Error as error:
                    fault, message = "DatabaseErrorException", f"{error}; SQLState: {error.sqlstate}"
            self._answer(fault, {"message": message} if fault else {"numberOfRecordsUpdated": 0})

        def _answer(self, fault: str, body: dict[str, object]) -> None:
            content = json.dumps(body).encode()
            self.send_response(STATUS.get(fault, 400) if fault else 200)
            if fault:
                self.send_header("x-amzn-ErrorType", fault)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """The tests' output stays clean."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
