"""Large answers are compressed for those who can read them, and equal documents have equal tags either way."""

import base64
import gzip
import json
from typing import Any

import pytest

from shop_http.answers import Public
from shop_http.compression import COMPRESSED_BYTES_MIN, accepts_gzip
from shop_http.entry import HttpFunction
from shop_http.testing import http_event

LARGE = json.dumps({"text": "é" * COMPRESSED_BYTES_MIN}, ensure_ascii=False)
function = HttpFunction("shop-test", lambda _: None)
function.route("GET /large", tag="", compress=True)(lambda call: Public(LARGE, call.header("if-none-match")))
function.route("GET /small", tag="", compress=True)(lambda call: Public("{}", call.header("if-none-match")))
function.route("GET /plain", tag="")(lambda call: Public(LARGE, call.header("if-none-match")))


def asked(route: str, **headers: str) -> dict[str, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return function(http_event(route, key=None, subject=None, headers=sent), None)


@pytest.mark.parametrize(
    "sent",
    [
        *("gzip", "GZIP", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8, *;q=0.1", "*", "x-gzip", "gzip;q=0.001"),
        *("gzip ; q=1.000", "identity;q=0.5, gzip", "identity, gzip", "identity;q=0, *;q=0.5", "gzip;level=9, gzip"),
    ],
)
def test_gzip_is_sent_to_those_who_can_read_it(sent: str) -> None:
    assert accepts_gzip(sent)


@pytest.mark.parametrize(
    "sent",
    [
        *(None, "", "identity", "br", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *", "identity, gzip;q=0.5"),
        *("gzipped", "not-gzip", "gzip;q=2", "gzip;q=-1", "gzip;q=", "gzip;q=0.0001", "g zip", "," * 9_000, "\x00"),
    ],
)
def test_and_to_nobody_else(sent: str | None) -> None:
    assert not accepts_gzip(sent)


def test_what_is_large_is_compressed_and_the_same_each_time() -> None:
    answer, again = (asked("GET /large", accept_encoding="gzip") for _ in range(2))
    assert answer["headers"]["Content-Encoding"] == "gzip"
    assert answer["isBase64Encoded"] is True
    assert gzip.decompress(base64.b64decode(answer["body"])).decode() == LARGE
    assert again["body"] == answer["body"]


@pytest.mark.parametrize(("route", "accepted"), [("GET /large", "gzip;q=0"), ("GET /small", "gzip")])
def test_what_is_small_or_not_asked_for_is_not_compressed(route: str, accepted: str) -> None:
    answer = asked(route, accept_encoding=accepted)
    assert "Content-Encoding" not in answer["headers"]
    assert answer["isBase64Encoded"] is False
    json.loads(answer["body"])


@pytest.mark.parametrize("route", ["GET /large", "GET /small"])
def test_caches_are_told_that_the_answer_depends_on_what_is_accepted(route: str) -> None:
    tag = asked(route)["headers"]["ETag"]
    for headers in ({}, {"accept_encoding": "gzip"}, {"if_none_match": tag}):
        assert asked(route, **headers)["headers"]["Vary"] == "Accept-Encoding"
    assert "Vary" not in asked("GET /plain")["headers"]


def test_a_copy_holds_whether_it_is_compressed_or_not() -> None:
    """A strong tag would promise the same bytes."""
    tags = {asked("GET /large", accept_encoding=it)["headers"]["ETag"] for it in ("gzip", "identity")}
    [tag] = tags
    assert tag.startswith('W/"')
    for encoding in ("gzip", "identity"):
        answer = asked("GET /large", accept_encoding=encoding, if_none_match=tag)
        assert (answer["statusCode"], answer["body"]) == (304, "")
        assert "Content-Encoding" not in answer["headers"]


@pytest.mark.parametrize("route", ["HEAD /large", "HEAD /small", "HEAD /plain"])
def test_head_has_the_headers_of_get_and_no_body(route: str) -> None:
    got, answer = asked(route.replace("HEAD", "GET"), accept_encoding="gzip"), asked(route, accept_encoding="gzip")
    assert answer == got | {"body": "", "isBase64Encoded": False}
    assert asked("HEAD /nowhere")["statusCode"] == 404
