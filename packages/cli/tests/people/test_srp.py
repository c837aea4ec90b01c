"""The proof of a password, compared with another implementation and with the server's side of the arithmetic."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from shop_cli.operations.people import srp, totp
from shop_cli.operations.people.srp import G, N, SrpProof

POOL = "us-east-1_AbCdEf123"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SECRET_BLOCK = base64.b64encode(b"secret block").decode()


def challenge(server: int, salt: str = "9fd0c5f1b1c6a1f2") -> dict[str, str]:
    parameters = {"SALT": salt, "SRP_B": f"{server:x}", "SECRET_BLOCK": SECRET_BLOCK}
    return parameters | {"USER_ID_FOR_SRP": "0a1b2c3d-user"}


def test_it_is_the_proof_that_pycognito_makes() -> None:
    proof = SrpProof(POOL, int("1f" * 64, 16))
    answer = proof.answer(challenge(pow(G, int("2e" * 64, 16), N)), "Correct-horse-1", NOW)
    assert answer == {  # computed by pycognito 2024.5.1
        "USERNAME": "0a1b2c3d-user",
        "PASSWORD_CLAIM_SECRET_BLOCK": SECRET_BLOCK,
        "PASSWORD_CLAIM_SIGNATURE": "iLc3fO699ORJzrqYrsIWSD5DmRLFVBWUrLT87l7Pc7s=",
        "TIMESTAMP": "Wed Mar 4 05:06:07 UTC 2026",
    }


@pytest.mark.parametrize("salt", ["1", "ff", "80" * 16, "7f" * 16])
def test_a_server_that_knows_the_verifier_accepts_the_password_and_no_other(salt: str) -> None:
    """The server computes the shared number from the verifier, which is another way than the client's."""
    identity = hashlib.sha256(b"AbCdEf1230a1b2c3d-user:right").digest()
    number = int(salt, 16)
    padded = number.to_bytes(number.bit_length() // 8 + 1, "big")
    verifier = pow(G, int.from_bytes(hashlib.sha256(padded + identity).digest(), "big"), N)
    private = int("5c" * 64, 16)
    server = (srp.MULTIPLIER * verifier + pow(G, private, N)) % N
    proof = SrpProof(POOL)
    scrambling = srp.hashed(int(proof.public, 16), server)
    shared = pow(int(proof.public, 16) * pow(verifier, scrambling, N), private, N)
    signed = b"AbCdEf1230a1b2c3d-usersecret blockWed Mar 4 05:06:07 UTC 2026"
    expected = base64.b64encode(hmac.digest(srp.session_key(shared, scrambling), signed, "sha256")).decode()
    signatures = [
        proof.answer(challenge(server, salt), password, NOW)["PASSWORD_CLAIM_SIGNATURE"]
        for password in ("right", "wrong")
    ]
    assert [each == expected for each in signatures] == [True, False]


@pytest.mark.parametrize("server", [0, N, 2 * N])
def test_a_server_that_would_know_the_key_without_the_password_is_refused(server: int) -> None:
    with pytest.raises(ValueError, match="unsafe"):
        SrpProof(POOL).answer(challenge(server), "right", NOW)


@pytest.mark.parametrize(("seconds", "code"), [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")])
def test_codes_are_those_of_the_specification(seconds: int, code: str) -> None:
    """Appendix B of RFC 6238 has eight digits, which end in an app's six."""
    assert totp.code_at(base64.b32encode(b"12345678901234567890").decode(), seconds) == code
