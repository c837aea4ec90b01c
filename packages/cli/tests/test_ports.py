"""The same ports every time, and around those that somebody else has."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shop_cli.errors import ShopError
from shop_cli.local.ports import HOST, STEP, choose_ports, is_free


@contextmanager
def taken(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[int]:
    """Holds a port below the range from which the kernel gives out ports by itself."""
    for port in range(30_000, 32_000):
        with socket.socket(socket.AF_INET, kind) as holder:
            try:
                holder.bind((HOST, port))
            except OSError:
                continue
            if kind is socket.SOCK_STREAM:
                holder.listen()
            yield port
            return
    raise AssertionError("no port to take")


def test_a_remembered_port_is_kept_while_it_is_free() -> None:
    with taken() as port:
        pass
    assert choose_ports({"aws": port}, ["aws"]) == {"aws": port}


def test_a_taken_port_is_gone_around() -> None:
    with taken() as port:
        chosen = choose_ports({"aws": port}, ["aws"])["aws"]
        assert chosen != port
        assert is_free(chosen)


def test_a_taken_udp_port_is_gone_around() -> None:
    with taken(socket.SOCK_DGRAM) as port:
        assert is_free(port)
        assert choose_ports({"xray_udp": port}, ["xray_udp"])["xray_udp"] != port


def test_two_services_never_get_the_same_port() -> None:
    with taken() as port:
        chosen = choose_ports({"aws": port, "payment": port + STEP}, ["aws"])
    assert chosen["aws"] not in (port, port + STEP)


def test_a_service_that_is_not_started_keeps_its_port() -> None:
    with taken() as port:
        assert choose_ports({"postgres": port}, [])["postgres"] == port


def test_when_no_port_is_left_it_says_so() -> None:
    with pytest.raises(ShopError, match="There is no free port for aws"):
        choose_ports({"aws": 40_000}, ["aws"])
