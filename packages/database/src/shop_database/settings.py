"""These settings name the database and the credentials for it. Bootstraps pass their environment in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from shop_database.iam import Credentials


@dataclass(frozen=True)
class AddressWithIam:
    """An Aurora endpoint whose role has `rds_iam`: the password is a token, signed anew for each connection."""

    host: str
    port: int
    name: str
    user: str
    region: str
    credentials: Credentials
    root_certificate: str | None = None
    """The RDS certificate bundle is here. Without it the connection is encrypted, but nobody verifies the server."""


@dataclass(frozen=True)
class DatabaseSettings:
    address: str | AddressWithIam
    """The address is a libpq URL, or an Aurora endpoint."""
    pooled: bool = False
    """The address leads to a pooler in transaction mode, such as PgBouncer or RDS Proxy."""
    resume_seconds: int = 0
    """The database pauses when nobody uses it, and the next connection waits so long for it. 0 stands for one that does
    not pause."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads DATABASE_URL if it is set, else DATABASE_HOST, _PORT, _NAME, _USER and the function's credentials.

        DATABASE_ROOT_CERTIFICATE is optional, and so are DATABASE_POOLED, which is `true` behind a pooler, and
        DATABASE_RESUME_SECONDS. Raises KeyError when a variable is missing.
        """
        pooled = environment.get("DATABASE_POOLED") == "true"
        resume_seconds = int(environment.get("DATABASE_RESUME_SECONDS") or 0)
        if url := environment.get("DATABASE_URL"):
            return cls(url, pooled, resume_seconds)
        credentials = Credentials(
            environment["AWS_ACCESS_KEY_ID"],
            environment["AWS_SECRET_ACCESS_KEY"],
            environment.get("AWS_SESSION_TOKEN") or None,
        )
        return cls(
            AddressWithIam(
                host=environment["DATABASE_HOST"],
                port=int(environment["DATABASE_PORT"]),
                name=environment["DATABASE_NAME"],
                user=environment["DATABASE_USER"],
                region=environment["AWS_REGION"],
                credentials=credentials,
                root_certificate=environment.get("DATABASE_ROOT_CERTIFICATE") or None,
            ),
            pooled,
            resume_seconds,
        )
