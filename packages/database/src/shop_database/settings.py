"""These settings name the database and the credentials for it. Bootstraps pass their environment in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

from shop_database.iam import Credentials, credentials_of


@dataclass(frozen=True)
class AddressWithIam:
    """An Aurora endpoint whose role has `rds_iam`: the password is a token, signed anew for each connection."""

    host: str
    port: int
    name: str
    user: str
    region: str
    credentials: Callable[[], Credentials]
    """They are read for each connection: a snapshot of the function's memory may outlive them."""
    root_certificate: str
    """This file has the certificate authorities of RDS, with which the server and its name are verified."""


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
        """Reads DATABASE_URL if it is set, else DATABASE_HOST, _PORT, _NAME, _USER and _ROOT_CERTIFICATE, and the
        function's credentials.

        DATABASE_POOLED is optional, and `true` behind a pooler; so is DATABASE_RESUME_SECONDS. Raises KeyError when a
        variable is missing.
        """
        pooled = environment.get("DATABASE_POOLED") == "true"
        resume_seconds = int(environment.get("DATABASE_RESUME_SECONDS") or 0)
        if url := environment.get("DATABASE_URL"):
            return cls(url, pooled, resume_seconds)
        return cls(
            AddressWithIam(
                host=environment["DATABASE_HOST"],
                port=int(environment["DATABASE_PORT"]),
                name=environment["DATABASE_NAME"],
                user=environment["DATABASE_USER"],
                region=environment["AWS_REGION"],
                credentials=partial(credentials_of, environment),
                root_certificate=environment["DATABASE_ROOT_CERTIFICATE"],
            ),
            pooled,
            resume_seconds,
        )
