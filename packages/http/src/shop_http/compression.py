"""Compresses answers for clients that can read them so: an HTTP API passes on what the function sends."""

import base64
import gzip
import re
from typing import Final

from shop_http.answers import HttpAnswer

COMPRESSED_BYTES_MIN: Final = 1_024
"""Less than this fits into one packet either way."""
LEVEL: Final = 1
"""The fastest: a page of products becomes a tenth larger than at the slowest level, in half the time."""
_CODING: Final = re.compile(r"\s*([!#$%&'*+.^_`|~0-9a-z-]+)\s*(?:;\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?")


def compress(answer: HttpAnswer, accept_encoding: str | None) -> None:
    """Also tells caches that the answer depends on the header, whether it is compressed or not."""
    answer.headers["Vary"] = "Accept-Encoding"
    content = answer.body.encode()
    if len(content) >= COMPRESSED_BYTES_MIN and accepts_gzip(accept_encoding):
        answer.headers["Content-Encoding"] = "gzip"
        # Without a moment in it, equal answers have equal bytes.
        answer.body = base64.b64encode(gzip.compress(content, LEVEL, mtime=0)).decode()
        answer.is_base64 = True


def accepts_gzip(accept_encoding: str | None) -> bool:
    """A coding with the weight 0 is refused, and `*` stands for those that are not named. What is malformed is as if
    it were not there. https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3"""
    found = (_CODING.fullmatch(part) for part in (accept_encoding or "").lower().split(","))
    weights = {coding[1]: float(coding[2] or 1) for coding in found if coding}
    weight = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return weight > 0 and weight >= weights.get("identity", 0.0)
