"""Webhooks have Stripe's format and its signature. https://docs.stripe.com/webhooks/signature"""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from shop_command.adapters import provider_events
from shop_command.adapters.secrets import Secret, Values
from shop_command.ports import Clock, Hint

TOLERANCE_SECONDS: Final = 300
"""This is Stripe's own default. Somebody may have recorded an older signature, and send it again."""


class ForgedWebhookError(Exception):
    """The webhook was not signed with our secret, or too long ago. A repeat with the same signature never helps."""


class StripeWebhook(Struct, frozen=True):
    secret: Secret
    clock: Clock

    def read(self, payload: bytes, signature: str) -> Hint | None:
        """Returns None for an event that the shop does not use. Raises ForgedWebhookError, and SecretUnavailableError
        after which a repeat helps."""
        self._verify(payload, signature)
        try:
            event = json.loads(payload)
        except ValueError:
            return None
        return provider_events.hint(event)

    def _verify(self, payload: bytes, signature: str) -> None:
        fields = [field.partition("=")[::2] for field in signature.split(",")]
        times = [value for name, value in fields if name.strip() == "t"]
        # While a secret is being changed there is a signature for each of the two.
        signatures = [value.strip() for name, value in fields if name.strip() == "v1"]
        if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0]):
            raise ForgedWebhookError
        if abs(self.clock.now().timestamp() - int(times[0])) > TOLERANCE_SECONDS:
            raise ForgedWebhookError
        signed, secrets = times[0].encode() + b"." + payload, self.secret.values()
        if _has_signed(secrets, signed, signatures):
            return
        newer = self.secret.others_than(secrets)
        if newer is None or not _has_signed(newer, signed, signatures):
            raise ForgedWebhookError


def _has_signed(secrets: Values, signed: bytes, signatures: Sequence[str]) -> bool:
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets]
    given = [each.encode(errors="replace") for each in signatures]
    return any(hmac.compare_digest(one, other) for one in expected for other in given)
