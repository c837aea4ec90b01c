"""The page, parsed as a browser would: what is in it, and that nothing comes from elsewhere."""

import base64
import hashlib
from html.parser import HTMLParser

from shop_cli.local.testing import TRACE_ID, segment, subsegment
from shop_cli.operations.trace.layout import lay_out
from shop_cli.operations.trace.page import html
from shop_cli.operations.trace.traces import read

BATCH_ID = "1-5e1b4151-00000000000000000000000b"
HOSTILE = """</style><script>alert(1)</script><img src="https://evil.test/x" onerror='alert(2)'>&lt;"""
VOID = {"meta"}
DOCUMENTS = [
    segment(
        "a", HOSTILE, 100.0, 100.2, annotations={"stream_id": HOSTILE, HOSTILE: 1, "route": "POST /purchase"},
        http={"request": {"method": "POST", "url": "/purchase"}, "response": {"status": 201}},
        subsegments=[
            subsegment("k", "Kinesis", 100.1, 100.15, aws={"operation": HOSTILE}),
            subsegment("s", "SSM", 100.01, 100.02, fault=True, annotations={"error_type": "TimeoutError"}),
        ],
    ),
    segment(
        "d", "shop-dispatch", 100.4, 100.5, parent_id="a", annotations={"invocation_trace_id": BATCH_ID},
        links=[{"trace_id": BATCH_ID, "id": "1"}],
    ),
    segment("w", "shop-query", 100.5, None),
]  # fmt: skip


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def page(*, notes: tuple[str, ...] = ()) -> str:
    return html(HOSTILE, [lay_out(read(TRACE_ID, DOCUMENTS))], notes, events={TRACE_ID: [HOSTILE]})


def classes(parsed: Page, tag: str) -> list[set[str]]:
    return [set((attributes.get("class") or "").split()) for name, attributes in parsed.tags if name == tag]


def test_every_tag_is_closed_and_every_id_is_its_own() -> None:
    parsed = Page(page(notes=("One is gone.",)))
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert "One is gone." in parsed.text


def test_what_a_segment_says_of_itself_is_text_and_never_markup() -> None:
    parsed = Page(page())
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "img", "link", "iframe", "object", "base", "form"}
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    assert parsed.text.count(HOSTILE) >= 5


def test_nothing_comes_from_elsewhere() -> None:
    text = page()
    parsed = Page(text)
    for _, attributes in parsed.tags:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert (attributes.get(name) or "#").startswith("#")
        assert "style" not in attributes  # the policy would refuse it
    style = text.split("<style>")[1].split("</style>")[0]
    assert "@import" not in style
    assert "url(" not in style


def test_the_policy_allows_its_own_style_and_nothing_else() -> None:
    text = page()
    style = text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [it["content"] for _, it in Page(text).tags if it.get("http-equiv") == "Content-Security-Policy"]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_each_span_is_a_row_that_opens_with_a_bar_inside_the_axis() -> None:
    parsed = Page(page())
    rows = classes(parsed, "tr")[1:]
    assert [("segment" in row, "call" in row, "waiting" in row) for row in rows] == [
        (True, False, False), (False, True, False), (False, True, False),
        (False, False, True), (True, False, False), (True, False, False),
    ]  # fmt: skip
    assert sum(tag == "details" for tag, _ in parsed.tags) == 5
    bars = [attributes for tag, attributes in parsed.tags if tag == "rect" and attributes.get("class") == "bar"]
    assert len(bars) == 6
    for bar in bars:
        left, width = (float(str(bar[name]).rstrip("%")) for name in ("x", "width"))
        assert left >= 0
        assert width > 0
        assert left + width <= 100.001


def test_a_fault_is_told_in_words() -> None:
    parsed = Page(page())
    assert "✗ fault TimeoutError" in parsed.text
    assert "in progress" in parsed.text
    assert "✗ in progress" not in parsed.text


def test_the_trace_of_the_batch_is_linked_where_it_is_on_the_page_and_else_named() -> None:
    assert f"shop trace {BATCH_ID}" in Page(page()).text
    batch = lay_out(read(BATCH_ID, [segment("b", "shop-dispatch", 100.4, 100.5)]))
    both = Page(html("A stream", [lay_out(read(TRACE_ID, DOCUMENTS)), batch]))
    assert [it["href"] for tag, it in both.tags if tag == "a"] == [f"#trace-{BATCH_ID}"]
    assert f"trace-{BATCH_ID}" in [it.get("id") for _, it in both.tags]
