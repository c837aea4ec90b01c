"""Sends webhooks that say how payment intents ended, signed as Stripe signs.

An event is stored in the transaction of its change, and deleted when it was accepted or has failed too often. So a
restart delivers what was not yet delivered, and a kill at the wrong moment delivers twice, but no event is lost.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from .store import KeptWebhook, SqliteStore
from .stripe import signature

POLL_SECONDS = 0.1
ANSWER_SECONDS_MAX = 30
AT_ONCE_MAX = 8
RETRY_AFTER_SECONDS = (0.5, 2.0, 8.0, 30.0)
"""The event is sent again after each of these waits, and is then given up; Stripe tries for three days."""


@dataclass(frozen=True)
class Webhooks:
    store: SqliteStore
    url_file: Path
    """The file holds the URL. It may appear or change at any time, and events wait until it exists."""
    secret: str

    @asynccontextmanager
    async def delivering(self, _: object) -> AsyncIterator[None]:
        """Delivers webhooks while the application runs."""
        task = asyncio.create_task(self._deliver_all())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _deliver_all(self) -> None:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX) as client:
            while True:
                url = self._url()
                due = self.store.due_webhooks(AT_ONCE_MAX) if url else []
                await asyncio.gather(*(self._deliver(client, url, event) for event in due))
                if len(due) < AT_ONCE_MAX:
                    await asyncio.sleep(POLL_SECONDS)

    async def _deliver(self, client: httpx.AsyncClient, url: str, event: KeptWebhook) -> None:
        signed = signature(event.body, self.secret, int(time.time()))
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signed}
        try:
            answer = await client.post(url, content=event.body.encode(), headers=headers)
            outcome, taken = str(answer.status_code), answer.is_success
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            outcome, taken = type(error).__name__, False
        given_up = not taken and event.tries >= len(RETRY_AFTER_SECONDS)
        with self.store.transaction():
            if taken or given_up:
                self.store.drop_webhook(event)
            else:
                self.store.postpone_webhook(event, RETRY_AFTER_SECONDS[event.tries])
        content = json.loads(event.body)
        line = {"webhook": content["id"], "type": content["type"], "outcome": outcome, "given_up": given_up}
        print(json.dumps({"time": time.time(), **line}), flush=True)

    def _url(self) -> str:
        try:
            return self.url_file.read_text().strip()
        except FileNotFoundError:
            return ""
