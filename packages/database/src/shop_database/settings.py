"""Where the database is and how to prove who we are. Reads no environment of its own: bootstraps hand theirs in."""

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
    """Path to the RDS certificate bundle. Without it the connection is encrypted, but the server is not verified."""


@dataclass(frozen=True)
class DatabaseSettings:
    address: str | AddressWithIam
    """A libpq URL, or an Aurora endpoint."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """DATABASE_URL if it is there, else DATABASE_HOST, _PORT, _NAME and _USER with the function's own credentials.

        DATABASE_ROOT_CERTIFICATE is optional. Raises KeyError for what is missing.
        """
        if url := environment.get("DATABASE_URL"):
            return cls(url)
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
            )
        )
