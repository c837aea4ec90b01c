"""The local X-Ray daemon and service on 127.0.0.1: `python -m shop_cli.xray --help`."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from .collector import Collector


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shop_cli.xray", description=__doc__)
    parser.add_argument("--udp-port", type=int, required=True, help="where functions send their segments")
    parser.add_argument("--http-port", type=int, required=True, help="where X-Ray's API answers")
    parser.add_argument("--data", type=Path, required=True, help="file of JSON lines; made if absent")
    parser.add_argument("--megabytes-max", type=float, default=16.0, help="the newest that are kept (default 16)")
    arguments = parser.parse_args()

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
