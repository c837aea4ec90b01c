"""The shop that runs already, as SHOP_HOME names it for ./shop: its servers, its stock, and its audit."""

import dataclasses
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, Final
from urllib.parse import urljoin

import httpx

from shop_cli.local import processes
from shop_cli.local.home import Home, ProcessRecord, RecordedRun
from shop_cli.testing import Shop, run_shop

START_SECONDS_MAX: Final = 30
LEVELS: Final = ("available", "held", "sold")
ABANDON_RATE: Final = 0.3
FORM: Final = re.compile(r"<(form|button|input)\b([^>]*)>")
ATTRIBUTE: Final = re.compile(r'([\w-]+)="([^"]*)"')


@contextmanager
def running_shop(*, answer_seconds_max: float = 40, connections_max: int = 100) -> Iterator[Shop]:
    home = Home.current()
    _run(home)
    status = json.loads(run_shop(home.path, "status", "--json").stdout)
    with httpx.Client(timeout=answer_seconds_max, limits=httpx.Limits(max_connections=connections_max)) as client:
        yield Shop(home.path, status, client)


def server(home: Home, name: str) -> ProcessRecord:
    return next(record for record in _run(home).processes if record.name == name)


def start_again(
    home: Home,
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    is_ready: Callable[[], bool],
    **options: Any,
) -> None:
    """Starts a server that has ended, as `shop up` does, and records it as that does, so that `shop down` finds it."""
    run, old = _run(home), server(home, name)
    _, new = processes.spawn(home, name, command, environment, port=old.port, **options)
    home.record(dataclasses.replace(run, processes=tuple(new if each == old else each for each in run.processes)))
    deadline = time.monotonic() + START_SECONDS_MAX
    while not is_ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} does not start again")
        time.sleep(0.05)


def stock(shop: Shop, sku: str, buckets: int) -> dict[str, int]:
    """Adds up the levels of all buckets, as the table has them."""
    table, name, total = shop.client("dynamodb"), shop.status["table_name"], dict.fromkeys(LEVELS, 0)
    for number in range(buckets):
        key = {"pk": {"S": f"stock#{sku}#{number}"}, "sk": {"S": "state"}}
        item = table.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item", {})
        for level in LEVELS:
            total[level] += int(item.get(level, {"N": "0"})["N"])
    return total


def authenticate(shop: Shop, body: Any, randomness: Random) -> Iterator[bool]:
    """Does what a customer does who is asked for 3-D Secure: opens the page, and presses a button or walks away.

    Tells of each page that the answer names whether it was gone through.
    """
    for address in re.findall(r'"(https?://[^"]+)"', json.dumps(body)):
        page = shop.http.get(address, follow_redirects=True)
        tags = [(kind, dict(ATTRIBUTE.findall(attributes))) for kind, attributes in FORM.findall(page.text)]
        forms = [attributes for kind, attributes in tags if kind == "form"]
        if not forms or randomness.random() < ABANDON_RATE:
            yield False
            continue
        form = randomness.choice(forms)
        buttons = [it for kind, it in tags if kind == "button" and "name" in it] or [{}]
        fields = {it["name"]: it.get("value", "") for kind, it in tags if kind == "input" and "name" in it}
        button = randomness.choice(buttons)
        fields |= {button["name"]: button.get("value", "")} if button else {}
        shop.http.post(urljoin(str(page.url), form.get("action", "")), data=fields)
        yield True


def _run(home: Home) -> RecordedRun:
    run = home.run()
    if run is None:
        raise SystemExit("The shop does not run: ./shop up --detach")
    return run
