"""Asks a function that was just released for one real answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import httpx

from shop_cli.errors import ShopError
from shop_cli.operations.releases.history import Service
from shop_cli.target import Target

ANSWER_SECONDS_MAX: Final = 35
"""The API gives up on a function earlier than this."""
PAUSED_SECONDS_MAX: Final = 90
"""A database that pauses by itself is back before that, and reads are answered with 503 until then."""
PAUSE_SECONDS: Final = 2.0
PATHS: Final = {Service.query: "/products?limit=1", Service.command: "/openapi/command.json"}


def check(target: Target, service: Service, sleep: Callable[[float], None] = time.sleep) -> str:
    """Returns what was asked and what came. Raises ShopError unless it is a good answer."""
    if service is Service.dispatch:
        parked = target.function("parked").invoke({"action": "list"})
        return f"the function parked reads the database, {len(parked['records'])} parked"
    path, started = PATHS[service], time.monotonic()
    while True:
        answer = httpx.get(target.outputs["HttpApiUrl"] + path, timeout=ANSWER_SECONDS_MAX)
        if answer.status_code == httpx.codes.OK:
            return f"GET {path}  {answer.status_code}"
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > started + PAUSED_SECONDS_MAX:
            raise ShopError(f"GET {path} was answered with {answer.status_code}: {answer.text[:500]}")
        sleep(PAUSE_SECONDS)
