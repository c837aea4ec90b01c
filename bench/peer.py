"""The library eventsourcing is the peer that dispatch.py compares with: it projects one event a transaction and
stores its position with it."""

import json
import subprocess
from collections.abc import Sequence
from typing import Final

import psycopg
from bench.measure import installed, pipe

from shop_cli.local.build import interpreter
from shop_database.testing import Database

PACKAGES: Final = {
    "eventsourcing": "9.5.6",
    "psycopg": "3.3.9",
    "psycopg-binary": "3.3.9",
    "psycopg-pool": "3.3.3",
    "typing-extensions": "4.16.0",
}
PYTHON: Final = "3.13"
SCRIPT: Final = '''
import json, sys, time
sys.path.insert(0, sys.argv[1])
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder

UPSERT = """
INSERT INTO reservation (stream_id, version, type, event) VALUES (%s, %s, %s, %s) ON CONFLICT (stream_id)
DO UPDATE SET version = excluded.version, type = excluded.type, event = excluded.event
"""

class View(PostgresTrackingRecorder):
    def apply(self, event, text, position):
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, Tracking("shop", position))
            cursor.execute(UPSERT, (event["subject"], event["streamversion"], event["type"], text))

view = View(PostgresDatastore(**json.loads(sys.argv[2])))
view.create_table()
with view.datastore.transaction(commit=True) as cursor:
    cursor.execute("CREATE TABLE reservation (stream_id text PRIMARY KEY, version integer, type text, event text)")
position = 0
for line in sys.stdin:
    texts = json.loads(line)
    began = time.perf_counter()
    for text in texts:
        position += 1
        view.apply(json.loads(text), text, position)
    print(time.perf_counter() - began, flush=True)
view.close()
'''


class Peer:
    def __init__(self, database: Database) -> None:
        parts = psycopg.conninfo.conninfo_to_dict(database.superuser_url)
        address = {name: str(parts.get(name) or "") for name in ("dbname", "host", "port", "user", "password")}
        command = [
            interpreter(PYTHON),
            "-I",
            "-S",
            "-c",
            SCRIPT,
            str(installed("eventsourcing", PACKAGES, PYTHON)),
            json.dumps(address),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, records: Sequence[bytes]) -> float:
        stdin = pipe(self._process.stdin)
        stdin.write(json.dumps([record.decode() for record in records]) + "\n")
        stdin.flush()
        return float(pipe(self._process.stdout).readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
