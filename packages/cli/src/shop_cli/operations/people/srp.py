"""Proves to Cognito that a password is known, without sending it: SRP-6a with Cognito's own encodings.

The protocol and the group of 3,072 bits: https://datatracker.ietf.org/doc/html/rfc5054
The encodings are those of Cognito's public clients: a number is as long as it has to be to stay positive, the pool's
name is a part of the identity, and the key is derived by HKDF.
https://github.com/aws-amplify/amplify-js/tree/main/packages/auth/src/providers/cognito/utils/srp
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

N: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
    "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C"
    "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    16,
)
G: Final = 2
KEY_INFO: Final = b"Caldera Derived Key\x01"


def encoded(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def hashed(*numbers: int) -> int:
    return int.from_bytes(hashlib.sha256(b"".join(map(encoded, numbers))).digest(), "big")


MULTIPLIER: Final = hashed(N, G)


def password_exponent(pool_name: str, user_id: str, password: str, salt: int) -> int:
    identity = hashlib.sha256(f"{pool_name}{user_id}:{password}".encode()).digest()
    return int.from_bytes(hashlib.sha256(encoded(salt) + identity).digest(), "big")


def session_key(shared: int, scrambling: int) -> bytes:
    extracted = hmac.digest(encoded(scrambling), encoded(shared), "sha256")
    return hmac.digest(extracted, KEY_INFO, "sha256")[:16]


@dataclass(frozen=True)
class SrpProof:
    """One attempt to sign in."""

    pool_id: str
    private: int = field(default_factory=lambda: secrets.randbits(1024), repr=False)

    @property
    def public(self) -> str:
        return f"{pow(G, self.private, N):x}"

    def answer(self, challenge: dict[str, str], password: str, now: datetime | None = None) -> dict[str, str]:
        """Returns the responses to the challenge PASSWORD_VERIFIER. Raises ValueError for an unsafe one."""
        server, user_id = int(challenge["SRP_B"], 16), challenge["USER_ID_FOR_SRP"]
        scrambling = hashed(int(self.public, 16), server)
        if server % N == 0 or scrambling == 0:
            raise ValueError("an unsafe challenge")
        pool_name = self.pool_id.split("_", 1)[1]
        exponent = password_exponent(pool_name, user_id, password, int(challenge["SALT"], 16))
        base = server - MULTIPLIER * pow(G, exponent, N)
        key = session_key(pow(base, self.private + scrambling * exponent, N), scrambling)
        timestamp = _timestamp(now or datetime.now(UTC))
        signed = f"{pool_name}{user_id}".encode() + base64.b64decode(challenge["SECRET_BLOCK"]) + timestamp.encode()
        return {
            "USERNAME": user_id,
            "PASSWORD_CLAIM_SECRET_BLOCK": challenge["SECRET_BLOCK"],
            "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(hmac.digest(key, signed, "sha256")).decode(),
            "TIMESTAMP": timestamp,
        }


def _timestamp(moment: datetime) -> str:
    """Writes it in English whatever the locale is, with a day of one digit where one is enough."""
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day} {months[moment.month - 1]} {moment.day} {moment:%H:%M:%S} UTC {moment.year}"
