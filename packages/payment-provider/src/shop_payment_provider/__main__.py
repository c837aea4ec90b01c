"""The mock payment provider as a process on 127.0.0.1: `python -m shop_payment_provider --help`."""

import argparse
import json
import os
import signal
from pathlib import Path

import uvicorn

from .app import create_app
from .browser_guard import Guard, GuardedApplication, GuardedRequest
from .store import SqliteStore
from .webhooks import Webhooks

# A delayed answer must not hold up the end: what is undecided then is settled at the next start.
SHUTDOWN_SECONDS = 1


def is_page(request: GuardedRequest) -> bool:
    """The shop's page leads the customer's browser to it; all else needs the API key."""
    return request.path.startswith("/3d-secure/")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shop_payment_provider", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="SQLite file that keeps everything; made if absent")
    parser.add_argument("--api-key-file", type=Path, required=True, help="file that holds the API key to accept")
    parser.add_argument("--slow-seconds", type=float, default=2.0, help="how long pm_card_slow takes (default 2)")
    parser.add_argument(
        "--timeout-seconds", type=float, default=60.0, help="when pm_card_timeout_after_charge answers (default 60)"
    )
    parser.add_argument("--webhook-url-file", type=Path, help="file with the URL for webhooks; it may appear later")
    parser.add_argument("--webhook-secret-file", type=Path, help="file that holds the secret that signs them")
    arguments = parser.parse_args()
    if (arguments.webhook_url_file is None) != (arguments.webhook_secret_file is None):
        parser.error("--webhook-url-file and --webhook-secret-file need each other")
    api_key = arguments.api_key_file.read_text().strip()
    if not api_key:
        parser.error(f"{arguments.api_key_file} is empty")
    os.umask(0o077)  # SQLite makes its other files anew, and they hold payments too
    store = SqliteStore(arguments.data, keeps_webhooks=arguments.webhook_url_file is not None)
    webhooks = None
    if arguments.webhook_url_file:
        webhooks = Webhooks(store, arguments.webhook_url_file, arguments.webhook_secret_file.read_text().strip())
    app = create_app(
        store, api_key, webhooks, slow_seconds=arguments.slow_seconds, timeout_seconds=arguments.timeout_seconds
    )
    config = uvicorn.Config(
        GuardedApplication(app, Guard(arguments.port, is_public=is_page)),
        host="127.0.0.1",
        port=arguments.port,
        access_log=False,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises it once more when it has ended: exit with 0 instead
    print(json.dumps({"event": "starting", "port": arguments.port}), flush=True)
    try:
        uvicorn.Server(config).run()
    finally:
        store.close()


if __name__ == "__main__":
    main()
