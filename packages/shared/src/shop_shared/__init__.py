"""The contract between the functions: the event envelope, the event types and their registry.

Depends on pydantic alone, does no input or output, and reads no environment. `CHANGELOG.md` beside it says what each
version changed; `schemas/` holds the JSON Schemas made from it and `golden/` one event of every version ever shipped.
"""

from shop_shared.envelope import Envelope as Envelope
from shop_shared.envelope import MalformedEventError as MalformedEventError
from shop_shared.envelope import UnknownEventTypeError as UnknownEventTypeError
from shop_shared.envelope import decode as decode
from shop_shared.envelope import encode as encode
from shop_shared.events import EventData as EventData
