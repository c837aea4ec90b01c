"""Chooses the ports: the same ones every time, unless somebody else has taken one."""

from __future__ import annotations

import socket

from shop_cli.errors import ShopError

# Below the range from which systems take the ports of outgoing connections, so that none is lost by randomness.
PREFERRED = {"aws": 24566, "postgres": 24567, "payment": 24568, "xray": 24569, "xray_udp": 24570}
STEP = 10
ATTEMPTS = 200
HOST = "127.0.0.1"


def choose_ports(remembered: dict[str, int], names: list[str]) -> dict[str, int]:
    """Keeps each remembered port that is free, and goes around those that are not."""
    chosen = dict(remembered)
    for name in names:
        start = remembered.get(name, PREFERRED[name])
        others = {port for other, port in chosen.items() if other != name}
        candidates = range(start, min(start + STEP * ATTEMPTS, 32768), STEP)
        free = (port for port in candidates if port not in others and is_free(port, udp=name.endswith("_udp")))
        port = next(free, None)
        if port is None:
            raise ShopError(f"There is no free port for {name} from {start} on: stop what uses them, see `ss -ltnup`")
        chosen[name] = port
    return chosen


def is_free(port: int, *, udp: bool = False) -> bool:
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if not udp:
            # Connections of the last run that are still winding down do not make a port taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
