"""Makes the codes that an authenticator app shows. https://datatracker.ietf.org/doc/html/rfc6238"""

from __future__ import annotations

import base64
import hmac
from typing import Final
from urllib.parse import quote, urlencode

PERIOD_SECONDS: Final = 30


def code_at(secret: str, seconds: float) -> str:
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, int(seconds // PERIOD_SECONDS).to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06d}"


def uri(secret: str, issuer: str, user: str) -> str:
    """Returns what an app takes instead of the secret. https://github.com/google/google-authenticator/wiki/Key-Uri-Format"""
    return f"otpauth://totp/{quote(f'{issuer}:{user}')}?{urlencode({'secret': secret, 'issuer': issuer})}"
