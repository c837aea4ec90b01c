"""The page of `GET /docs` has everything and needs nobody."""

import re
from html.parser import HTMLParser

from shop_openapi import document, pages
from shop_openapi.catalogue import CATALOGUE

WHOLE = document.whole()
PAGE = pages.html(WHOLE)
VOID = {"meta", "input", "br"}


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements() -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(PAGE)
    parser.close()
    assert parser.open == []
    return parser.found


def test_it_loads_nothing_from_anywhere() -> None:
    for tag, attributes in elements():
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
        assert not {"src", "srcset", "style", "action", "data"} & set(attributes)
    assert not re.search(r"url\(|@import", PAGE)


def test_every_link_leads_somewhere_in_it_or_to_the_documents_beside_it() -> None:
    found = elements()
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(attributes["href"]) for tag, attributes in found if tag == "a"}
    assert {link for link in links if not link.startswith("#")} == {"openapi/query.json", "openapi/command.json"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_every_route_parameter_schema_and_problem_is_on_it() -> None:
    ids = {attributes.get("id") for _, attributes in elements()}
    for path, methods in WHOLE["paths"].items():
        for method, operation in methods.items():
            anchor = re.sub(r"[^a-z0-9]+", "-", f"{method} {path}").strip("-")
            assert anchor in ids
            article = PAGE.partition(f'<article id="{anchor}">')[2].partition("</article>")[0]
            for parameter in operation["parameters"]:
                name = parameter.get("name") or parameter["$ref"].rsplit("/", 1)[-1]
                assert f"<code>{name}</code>" in article
    schemas = {name for name in WHOLE["components"]["schemas"] if not name.endswith("Problem")}
    assert {f"schema-{name}" for name in schemas} <= ids
    assert {f"problem-{slug}" for slug in CATALOGUE} <= ids


def test_what_is_described_is_text_whatever_it_looks_like() -> None:
    hostile = {**WHOLE, "info": {**WHOLE["info"], "description": "`<script>alert(1)</script>`"}}
    assert "<script" not in pages.html(hostile)
