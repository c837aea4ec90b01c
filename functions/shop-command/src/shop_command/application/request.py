"""A request says who asks, and by its key a repeat of it is recognized."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, Literal

from msgspec import Struct, field

from shop_command.ports import KeyUse
from shop_shared.envelope import Envelope

_RESERVATIONS: Final = uuid.UUID("8f1d2c9e-4b57-4b0c-9a55-0d2f6c7f3e11")
"""Never change it: it is part of the id of every reservation."""
_UUID7: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class IdempotencyKeyReusedError(Exception):
    """The same key came with another body before. Nothing has changed; only a new key helps."""


class Actor(Struct, frozen=True):
    """This is whoever brings an event about, in the words of CloudEvents' Auth Context. ADR 17 says who is named."""

    authtype: Literal["app_user", "system"]
    authid: str | None = None


CUSTOMER: Final = Actor("app_user")
"""The reservation's first event names its customer, and nobody else can change it."""
SYSTEM: Final = Actor("system")


class Request(Struct, frozen=True, dict=True):
    caller: str
    idempotency_key: str
    request_id: str
    correlation_id: str
    content: Mapping[str, Any] = field(default_factory=dict)
    """It holds all that the client has sent in the path and in the body, but fields that have their default."""
    repeated: Callable[[], None] = lambda: None
    """It is called when an earlier request with the same key turns out to have had the effect."""
    actor: Actor = CUSTOMER

    @classmethod
    def following(cls, event: Envelope) -> "Request":
        """Nobody asks: what happened before is the cause, and what follows belongs to the same request."""
        return cls("", "", event.id, event.correlationid, actor=SYSTEM)

    @cached_property
    def reservation_id(self) -> str:
        """A repeat finds its own stream. Nobody can guess the id, and it is of use to its owner only.

        Where the key is a UUIDv7, the id is a UUIDv8 that begins with the key's time: ADR 35 says why.
        """
        key = self.idempotency_key
        named = str(uuid.uuid5(_RESERVATIONS, f"{self.caller}\n{key}"))
        return f"{key[:13]}-8{named[15:]}" if _UUID7.fullmatch(key) else named

    def key_id(self, operation: str) -> str:
        """The id belongs to this caller and operation alone: no other route or caller can produce it."""
        return _digest(operation, self.caller, self.idempotency_key)


class Key(Struct, frozen=True):
    """The key is remembered beside the stream, where the stream outlives the command.

    The digest covers the request's whole content, so that a field which is added later cannot be forgotten. A field
    stays out of it while it has its default: otherwise a repeat of an older request would no longer be recognized.
    """

    id: str
    body_digest: str

    @classmethod
    def of(cls, request: Request, operation: str, **always: Any) -> "Key":
        """`always` are fields that are in the digest even with their defaults."""
        content = {**request.content, **always}
        return cls(request.key_id(operation), _digest(json.dumps(content, sort_keys=True)))

    def used(self, stream_id: str, version: int) -> KeyUse:
        return KeyUse(self.id, self.body_digest, stream_id, version)

    def check(self, use: KeyUse) -> None:
        if use.body_digest != self.body_digest:
            raise IdempotencyKeyReusedError


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
