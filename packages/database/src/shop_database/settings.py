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
    root_certificate: str
    """This file has the certificate authorities of RDS, with which the server and its name are verified."""


@dataclass(frozen=True)
class DatabaseSettings:
    address: str | AddressWithIam
    """The address is a libpq URL, or an Aurora endpoint."""
    pooled: bool = False
    """The address leads to a pooler in transaction mode, such as PgBouncer or RDS Proxy."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads DATABASE_URL if it is set, else DATABASE_HOST, _PORT, _NAME, _USER and _ROOT_CERTIFICATE, and the
        function's credentials.

        DATABASE_POOLED is optional, and `true` behind a pooler. Raises KeyError when a variable is missing.
        """
        pooled = environment.get("DATABASE_POOLED") == "true"
        if url := environment.get("DATABASE_URL"):
            return cls(url, pooled)
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
                root_certificate=environment["DATABASE_ROOT_CERTIFICATE"],
            ),
            pooled,
        )
