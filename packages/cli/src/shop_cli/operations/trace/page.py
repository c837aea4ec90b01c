"""Makes a page of traces that needs nothing but itself: no script, no font, no file from elsewhere. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from shop_cli.operations.trace.layout import FLAGS, Layout, Row, duration, services
from shop_cli.operations.trace.traces import Span

COLOURS: Final = 8
"""The file page.css has so many `.service-…` rules."""
DEPTHS: Final = 12
"""The `.depth-…` rules in page.css go this far; deeper rows are not indented further."""
BAR_PERCENT_MIN: Final = 0.3
_NOUGHTS: Final = re.compile(r"(?:(\.\d*[1-9])|\.)0* ")
_LOADER: Final = PackageLoader("shop_cli.operations.trace")
_TEMPLATES: Final = Environment(
    loader=_LOADER,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_TEMPLATES.tests["bad"] = lambda mark: mark.split()[0] in FLAGS


@dataclass(frozen=True)
class Bar:
    left: str
    width: str


def html(
    title: str,
    layouts: Sequence[Layout],
    notes: Sequence[str] = (),
    command: str = "shop trace {}",
    events: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """One section for each trace. `notes` say what is not drawn, `command` shows another trace, by its id, and
    `events` are those that a trace has made, by its id."""
    style, *_ = _LOADER.get_source(_TEMPLATES, "page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _TEMPLATES.get_template("page.html.j2").render(
        title=title,
        notes=notes,
        command=command,
        events=events,
        sections=layouts,
        drawn={layout.trace_id for layout in layouts},
        service_class=(colour := _Colours(services(layouts))),
        style=Markup(style),  # noqa: S704 - a file of ours
        style_hash=f"sha256-{digest}",
        began=lambda moment: f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC",
        duration=duration,
        row_class=lambda row: f"{_kind(row)} {colour(row.service)}",
        is_faulty=_is_faulty,
        bar=_bar,
        percent=_percent,
        facts=_facts,
        ticks=_ticks,
    )


class _Colours:
    def __init__(self, services: Sequence[str]) -> None:
        self._places = {service: place for place, service in enumerate(services)}

    def __call__(self, service: str) -> str:
        return f"service-{self._places[service] % COLOURS}" if service in self._places else "service-none"


def _kind(row: Row) -> str:
    kind = "waiting" if row.span is None else "segment" if row.span.is_segment else "call"
    return f"{kind} depth-{min(row.depth, DEPTHS)}{' faulty' if _is_faulty(row) else ''}"


def _is_faulty(row: Row) -> bool:
    return row.span is not None and (row.span.fault or row.span.error)


def _bar(layout: Layout, row: Row) -> Bar:
    """Never too narrow to be seen, and always inside the axis."""
    left, right = (layout.axis.share(moment) * 100 for moment in (row.start, row.end))
    width = max(right - left, BAR_PERCENT_MIN)
    return Bar(f"{min(left, 100 - width):.3f}%", f"{width:.3f}%")


def _percent(share: float) -> str:
    return f"{share * 100:.3f}%"


def _ticks(layout: Layout) -> Iterator[tuple[str, str, str]]:
    """Text, place, and the text's side: at the right edge it ends where elsewhere it begins."""
    for seconds, share in layout.axis.ticks():
        text = "0" if seconds == 0 else _NOUGHTS.sub(r"\1 ", duration(seconds))
        yield text, _percent(share), "end" if share > 0.9 else "start"


def _facts(layout: Layout, span: Span) -> list[tuple[str, list[tuple[str, str]]]]:
    """All that is known of it, by block."""
    own = {
        "id": span.id,
        "parent": span.parent_id or "none",
        "began": f"{datetime.fromtimestamp(span.start, UTC):%Y-%m-%d %H:%M:%S.%f} UTC",
        "after": duration(span.start - layout.axis.start),
    }
    blocks = {"annotations": span.annotations, **span.blocks, "segment" if span.is_segment else "subsegment": own}
    return [(name, [*_flat(block)]) for name, block in blocks.items() if block]


def _flat(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in block.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
