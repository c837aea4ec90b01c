"""The names of the table's keys, index and attributes stand only here. `infra/table.yml` declares the same.

| item | pk | sk |
|---|---|---|
| event | stream id | event#<10-digit version> |
| state (snapshot of the fold) | stream id | state |
| stock bucket | stock#<sku>#<bucket> | state |
| used idempotency key | key#<digest of operation, caller and key> | key |
| what counts towards a customer's limits | customer#<customer id> | state |
| how far the payment provider's events were worked off | provider#events | state |
| how many cards a customer tried in an hour | customer#<customer id> | cards#<start of the hour> |

A customer's open reservations are a set of their ids. Beside them, `held#<sku>` is how much they hold of a product.
Only what is in the set is ever given back, so that the item may be deleted at any time: what is open then counts no
more. DynamoDB deletes both items within days after `forget_at`; nothing relies on when.

How much of an event its item's attribute `event` has is told by `shop_shared.stored`.

A bucket's version counts its changes: two reads of the same version have seen everything that was between them.

The index `due` is sparse: an item is in it while something has to be done about it. An event is due until it has been
published, a state when its reservation expires, or its payment or refund has to be settled. Where that is soon, the
state is due for the stream's events too: those from its attribute `unpublished` on are not in the index themselves.
The same attribute says that what they have ended may still count towards its customer's limits.
"""

from datetime import datetime
from typing import Final
from zlib import crc32

from shop_command.domain.stock import Bucket
from shop_command.ports import DUE_SHARDS
from shop_shared import stored

PK: Final = "pk"
SK: Final = "sk"
VERSION: Final = "version"
EVENT: Final = stored.EVENT
TYPE: Final = "type"
TIME: Final = "time"
STATE: Final = "state"
AVAILABLE: Final = "available"
HELD: Final = "held"
SOLD: Final = "sold"
BODY_DIGEST: Final = "body_digest"
STREAM_ID: Final = "stream_id"
OPEN: Final = "open"
HELD_PREFIX: Final = "held#"
ATTEMPTS: Final = "attempts"
FORGET_AT: Final = "forget_at"
EVENT_ID: Final = "event_id"
REACHED: Final = "reached"
COMPLETE_AT: Final = "complete_at"
DUE_INDEX: Final = "due"
DUE_SHARD: Final = "due_shard"
DUE_AT: Final = "due_at"
UNPUBLISHED: Final = "unpublished"

BOOKMARK_PK: Final = "provider#events"
STATE_SK: Final = "state"
KEY_SK: Final = "key"
EVENT_SK_PREFIX: Final = "event#"


def event_sk(version: int) -> str:
    return f"{EVENT_SK_PREFIX}{version:010d}"


LAST_EVENT_SK: Final = event_sk(9_999_999_999)


def bucket_pk(bucket: Bucket) -> str:
    return f"stock#{bucket.sku}#{bucket.number}"


def key_pk(key_id: str) -> str:
    return f"key#{key_id}"


def customer_pk(customer_id: str) -> str:
    return f"customer#{customer_id}"


def cards_sk(window: datetime) -> str:
    return f"cards#{window:%Y-%m-%dT%H:00Z}"


def due_shard(stream_id: str) -> str:
    return str(crc32(stream_id.encode()) % DUE_SHARDS)


def event_version(sk: str) -> int | None:
    """Returns None for a key that is no event's."""
    return int(sk.removeprefix(EVENT_SK_PREFIX)) if sk.startswith(EVENT_SK_PREFIX) else None


def moment(due_at: str) -> datetime:
    return datetime.fromisoformat(due_at)


def due_at(moment: datetime) -> str:
    """All texts have one width, so that their order is the order in time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
