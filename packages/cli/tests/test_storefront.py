"""A release of the storefront, told by what it sends to S3 and CloudFront."""

import json
from pathlib import Path
from typing import Any

import pytest

from shop_cli.errors import ShopError
from shop_cli.operations import storefront

CONFIG = {"stage": "dev", "userPool": "https://pool", "userPoolApi": "https://api", "clientId": "c", "stripeKey": ""}
PEOPLE = [{"name": "customer", "username": "c@shop.example", "password": "secret", "role": "customer"}]


class Aws:
    """S3 and CloudFront, as far as a release uses them. `sent` has what was written, in order."""

    def __init__(self, stored: dict[str, list[dict[str, str]]], people: list[dict[str, str]]) -> None:
        self.people = people
        self.outputs = {
            "WebBucketName": "files",
            "DistributionId": "D1",
            "WebUrl": "https://shop.example",
            "WebConfig": json.dumps(CONFIG),
        }
        self.sent: list[dict[str, Any]] = []
        self._stored = stored

    def client(self, _service: str) -> "Aws":
        return self

    def put_object(self, **call: Any) -> None:
        self.sent.append(call)
        self._stored[call["Key"]] = []

    def copy_object(self, **call: Any) -> None:
        self.sent.append(call)

    def create_invalidation(self, **call: Any) -> None:
        self.sent.append(call)

    def get_paginator(self, _operation: str) -> "Aws":
        return self

    def paginate(self, *, Prefix: str, **_: str) -> list[dict[str, Any]]:  # noqa: N803
        return [{"Contents": [{"Key": key} for key in self._stored if key.startswith(Prefix)]}]

    def get_object_tagging(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803
        return {"TagSet": self._stored[Key]}


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("index.html", "robots.txt", "assets/index-2.js", "assets/index-2.css", ".inputs"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    monkeypatch.setattr(storefront, "DIST", tmp_path)
    return tmp_path


def released(people: list[dict[str, str]], **stored: list[dict[str, str]]) -> list[dict[str, Any]]:
    aws = Aws({f"assets/{key}.js": tags for key, tags in stored.items()}, people)
    assert storefront.release(aws) == "https://shop.example"  # type: ignore[arg-type]
    return aws.sent


def test_what_the_page_names_is_there_before_it(dist: Path) -> None:
    *uploads, invalidation = released([])
    assert [it["Key"] for it in uploads] == [
        "assets/index-2.css",
        "assets/index-2.js",
        "robots.txt",
        "config.json",
        "index.html",
    ]
    assert {it["Key"]: it["CacheControl"].split(",")[-1].strip() for it in uploads} == {
        "assets/index-2.css": "immutable",
        "assets/index-2.js": "immutable",
        "robots.txt": "no-cache",
        "config.json": "no-cache",
        "index.html": "no-cache",
    }
    assert invalidation["InvalidationBatch"]["Paths"]["Items"] == ["/index.html", "/config.json"]


def settings(calls: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = next(json.loads(it["Body"]) for it in calls if it.get("Key") == "config.json")
    return found


def test_a_stage_on_aws_gets_no_passwords_and_what_it_has_not_is_left_out(dist: Path) -> None:
    known = {name: value for name, value in CONFIG.items() if value}
    assert settings(released([])) == known
    assert settings(released(PEOPLE)) == known | {"people": PEOPLE}


def test_scripts_of_earlier_releases_are_marked_once_and_those_of_this_one_are_not(dist: Path) -> None:
    marked = [{"Key": "superseded", "Value": "true"}]
    copies = [it for it in released([], **{"index-2": [], "index-1": [], "index-0": marked}) if "CopySource" in it]
    assert [(it["Key"], it["Tagging"], it["ContentType"]) for it in copies] == [
        ("assets/index-1.js", "superseded=true", "text/javascript; charset=utf-8")
    ]


def test_a_file_whose_type_is_not_known_is_not_released(dist: Path) -> None:
    (dist / "picture.bmp").write_text("")
    with pytest.raises(ShopError, match=r"picture\.bmp"):
        released([])
