"""What the API says of itself is answered to anyone, without the read model."""

import base64
import gzip
import json
from typing import Any

from shop_http.testing import http_event
from shop_query.handlers.api import handler


def get(path: str, **headers: str) -> dict[str, Any]:
    return handler(http_event(f"GET {path}", key=None, subject=None, headers=headers), None)


def test_the_document_describes_this_function() -> None:
    answer = get("/openapi/query.json")
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "application/json")
    document = json.loads(answer["body"])
    assert document["openapi"].startswith("3.1.")
    assert "get" in document["paths"]["/sales/top"]
    assert "/purchase" not in document["paths"]


def test_the_page_shows_both_functions_and_may_load_nothing_from_another_host() -> None:
    answer = get("/docs")
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "/sales/top" in answer["body"]
    assert "/purchase<" in answer["body"]
    policy = dict(it.strip().split(" ", 1) for it in answer["headers"]["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'unsafe-inline'"}
    assert "script-src" not in policy


def test_what_is_large_is_compressed_for_those_who_can_read_it() -> None:
    plain, packed = get("/docs"), get("/docs", **{"accept-encoding": "gzip;q=0.9, br"})
    assert packed["headers"]["Content-Encoding"] == "gzip"
    assert packed["isBase64Encoded"] is True
    assert gzip.decompress(base64.b64decode(packed["body"])).decode() == plain["body"]
    assert len(packed["body"]) < len(plain["body"]) / 4
