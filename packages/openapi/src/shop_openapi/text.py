"""This prose describes the API as a whole."""

from typing import Any, Final

DESCRIPTION: Final = """\
Products, reservations and purchases. Commands are answered by one function, reads by another, from a copy of the data
that follows within a second or so.

**Signing in.** Send `Authorization: Bearer` and an access token of the shop's user pool. Its users are customers; those
in the group `admin` are administrators.

**Repeating.** A `POST` takes an `Idempotency-Key`. When an answer is lost, send the same request with the same key: it
gets the same answer and has one effect.

**Reading what you wrote.** A command's answer has `stream_id` and `stream_version`. Send the version as `min_version`
to the read of that thing: it waits for it, or answers 412 and you repeat it.

**Money** is an amount in the currency's minor unit (cents) with its ISO 4217 code. Moments are RFC 3339 in UTC, days
are days in UTC.

**Pages.** A list answers `items` and `next_cursor`; send that as `cursor`, with the same other parameters, for more.

**HEAD** is answered wherever `GET` is, with the same status and headers and without the body.

**Compression.** Reads answer `Accept-Encoding: gzip` with a compressed body where it is worth it, and say
`Vary: Accept-Encoding` either way.

**Caches.** The catalogue is the same for everyone: a cache between you and the API, such as the storefront's CDN, may
give an answer of it again for 5 s, and for 5 s more while it asks anew. Prices and availability are some seconds old at
most. An answer to `min_version`, your own data and problems are never kept. A reservation is what decides.

**Errors** are problem documents (RFC 9457): programs distinguish them by `type`, and `detail` advises a person. Only
the gateway before the functions answers otherwise, with `{"message": ...}`: 401 without a valid token, and 429, 503 or
504 when it cannot reach a function in time.

**Changes.** Within one major version nothing that is here is taken away. New routes, optional fields, fields in
answers, statuses and problem types may come, and an id may get a wider form: let your client pass over what it does not
know, and pass an id on as it is.
"""

TAGS: Final = {
    "Catalogue": "What is for sale. Anyone may look.",
    "Reservations": "Stock that is held for a customer, for a while.",
    "Purchases": "Paying for what is reserved, and giving money back.",
    "Sales": "What was sold, for administrators.",
    "Activity": "Who has changed what, for administrators.",
    "Catalogue administration": "Products, prices and stock, for administrators.",
    "Documentation": "This document.",
}

GATEWAY: Final[dict[str, Any]] = {
    "schema": {
        "type": "object",
        "description": "The gateway's own refusal of a missing or invalid token. It is no problem document.",
        "properties": {"message": {"type": "string"}},
        "required": ["message"],
    },
    "example": {"message": "Unauthorized"},
}
