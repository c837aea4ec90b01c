import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shop_observability.trace_header import TraceHeader, lambdas_header, request_header

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        "Root=",
        "Root=1-xyz-1",
        f"Parent={PARENT}",
        "Root=2-5759e988-bd862e3fe1be46a994272793",
        ";;==;",
    ],
)
def test_what_is_no_trace_header_is_ignored(text: str | None) -> None:
    assert TraceHeader.parse(text) is None


def test_a_header_is_read_and_written_alike() -> None:
    text = f"Root={ROOT};Parent={PARENT};Sampled=1"
    assert str(TraceHeader.parse(text)) == text
    assert TraceHeader.parse(f"Self=1-1-1; Root={ROOT} ;Sampled=?;Lineage=a:0") == TraceHeader(ROOT, None, None)


def read_in_steps(text: str) -> TraceHeader | None:
    """The header's rules one by one: fields in any order, each at its last place, with anything around them."""
    fields = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    root, parent = fields.get("Root", ""), fields.get("Parent", "")
    parts = root.split("-")
    if [len(part) for part in parts] != [1, 8, 24] or parts[0] != "1" or set(root) - set("0123456789abcdef-"):
        return None
    is_segment = len(parent) == 16 and not set(parent) - set("0123456789abcdef")
    sampled = {"1": True, "0": False}.get(fields.get("Sampled", ""))
    return TraceHeader(root, parent if is_segment else None, sampled)


VALUES = st.sampled_from(
    [
        ROOT,
        ROOT[:-1],
        ROOT.upper(),
        "1-2-3",
        PARENT,
        PARENT + "0",
        "",
        "0",
        "1",
        "?",
        "a:0",
        " 1",
        "\u0661",
        f"{ROOT}\n",
    ]
)
FIELDS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", " ", "\t"]),
    st.sampled_from(["Root", "Parent", "Sampled", "Lineage", "Self", "root", ""]),
    st.sampled_from(["=", "==", "", " ="]),
    VALUES,
    st.sampled_from(["", " ", "\n"]),
)


@given(st.lists(FIELDS, max_size=6).map(";".join) | st.text(max_size=60))
@example(f"Root={ROOT}")
@example(f"Root={ROOT};Parent={PARENT};Sampled=0")
@example(f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=1:a87bd80c:0")
@example(f"Root={ROOT};Sampled=1\n")
@example(f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=a:0;Sampled=0")
@example(f"Root={ROOT};Parent={PARENT};Root=1-2-3")
@example(f"Root={ROOT};Root")
def test_the_usual_form_is_read_like_any_other(text: str) -> None:
    assert TraceHeader.parse(text) == read_in_steps(text)


def test_a_header_with_neither_parent_nor_decision_is_the_gateways_and_lambdas_trace_goes_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = "1-5759e988-cccccccccccccccccccccccc"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={own};Parent={PARENT};Sampled=1;Lineage=1:a87bd80c:0")
    for gateways in (f"Root={ROOT}", f"Self={ROOT};Root={ROOT}", f"Root={ROOT};Parent=;Sampled=?"):
        assert request_header(gateways, lambdas_header()) == TraceHeader(own, PARENT, sampled=True)


def test_the_clients_trace_goes_before_lambdas_and_the_decision_falls_back_to_lambda(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = "1-5759e988-cccccccccccccccccccccccc"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={own};Parent={PARENT};Sampled=1")
    assert request_header(f"Root={ROOT};Sampled=0", lambdas_header()) == TraceHeader(ROOT, None, sampled=False)
    assert request_header(f"Root={ROOT};Parent={PARENT}", lambdas_header()) == TraceHeader(ROOT, PARENT, sampled=True)
    assert request_header("nonsense", lambdas_header()) == TraceHeader(own, PARENT, sampled=True)
    monkeypatch.delenv("_X_AMZN_TRACE_ID")
    assert request_header(None, lambdas_header()) is None
    assert request_header(f"Root={ROOT}", lambdas_header()) == TraceHeader(ROOT, None, sampled=False)
