"""Why there is no connection, in words that a log may have. The whole message has names, addresses and more."""

from typing import Final

import psycopg

UNKNOWN: Final = "for another reason"
OF_THE_SERVER: Final = (
    ("password authentication failed", "28P01"),
    ("PAM authentication failed", "28000"),  # on Aurora, it had no valid IAM token
    ("no pg_hba.conf entry", "28000"),
    ("pg_hba.conf rejects connection", "28000"),
    ("is not permitted to log in", "28000"),
    ("is not currently accepting connections", "55000"),
    ("permission denied for database", "42501"),
    ("sorry, too many clients already", "53300"),
    ("remaining connection slots are reserved", "53300"),
    ("too many connections for", "53300"),
    ("the database system is starting up", "57P03"),
    ("the database system is shutting down", "57P03"),
    ("the database system is in recovery mode", "57P03"),
    ("the database system is not accepting connections", "57P03"),
    ("the database system is not yet accepting connections", "57P03"),
    ("database", "does not exist", "3D000"),
    ("role", "does not exist", "28000"),
)
"""PostgreSQL sends each with the SQLSTATE beside it, which libpq keeps to itself.

https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/init/postinit.c
"""
OF_A_POOLER: Final = (
    ("unsupported startup parameter", "08P01"),
    ("no such database", "3D000"),
    ("no such user", "28000"),
    ("SASL authentication failed", "28000"),
    ("no more connections allowed", "53300"),
    ("query_wait_timeout", "53300"),
    ("server login has been failing", "08P01"),
    ("server_login_retry", "08P01"),
    ("client_login_timeout", "08P01"),
    ("This RDS proxy has no credentials for the role", "28000"),
    ("The IAM authentication failed for the role", "28000"),
    ("This RDS Proxy requires TLS connections", "28000"),
    ("Timed-out waiting to acquire database connection", "53300"),
)
"""PgBouncer sends most of them as 08P01.

https://github.com/pgbouncer/pgbouncer/blob/pgbouncer_1_18_0/src/client.c
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy.troubleshooting.html
"""
OF_THE_NETWORK: Final = (
    ("could not translate host name", "08001"),
    ("failed to resolve host", "08001"),
    ("Connection refused", "08001"),
    ("No such file or directory", "08001"),
    ("timeout expired", "08001"),
    ("No route to host", "08001"),
    ("Network is unreachable", "08001"),
    ("certificate verify failed", "08001"),
    ("server does not support SSL", "08001"),
    ("no password supplied", "08001"),
    ("server closed the connection unexpectedly", "08006"),
    ("Connection reset by peer", "08006"),
)
"""The driver says these where no server has spoken."""
REASONS: Final = (*OF_THE_SERVER, *OF_A_POOLER, *OF_THE_NETWORK)
"""Each has the parts of a message without its names and values, in their order, and the SQLSTATE that it means."""


class NoConnectionError(psycopg.OperationalError):
    """`log_reason` is one of REASONS, and holds no value, so that logs have it beside the SQLSTATE."""

    def __init__(self, error: psycopg.OperationalError) -> None:
        super().__init__(*error.args)
        self.log_reason, self.sqlstate = _explain(str(error))


def _explain(message: str) -> tuple[str, str | None]:
    for *parts, sqlstate in REASONS:
        if _has_in_order(message, parts):
            return " … ".join(parts), sqlstate
    return UNKNOWN, None


def _has_in_order(message: str, parts: list[str]) -> bool:
    place = 0
    for part in parts:
        found = message.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return True
