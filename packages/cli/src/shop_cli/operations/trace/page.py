"""Makes a page of traces that needs nothing but itself: no script, no font, no file from elsewhere. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from shop_cli.operations.trace.layout import FLAGS, Layout, Row, services
from shop_cli.operations.trace.traces import Span
from shop_cli.output import duration

COLOURS: Final = ("#2f7bde", "#c8641c", "#15926f", "#9a5fd6", "#a8801a", "#cc4488", "#5a8c1c", "#6a809c")
"""They can be told from a light and from a dark ground."""
GREY: Final = "#8a94a3"
BAR_PERCENT_MIN: Final = 0.3
_LOADER: Final = PackageLoader("shop_cli.operations.trace")
_TEMPLATES: Final = Environment(
    loader=_LOADER, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
)
_TEMPLATES.tests["bad"] = lambda mark: mark.split()[0] in FLAGS


def html(
    title: str,
    layouts: Sequence[Layout],
    notes: Sequence[str] = (),
    command: str = "shop trace {}",
    events: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Makes one section for each trace. `notes` say what is not drawn, `command` shows another trace, by its id, and
    `events` are those that a trace has made, by its id."""
    style, *_ = _LOADER.get_source(_TEMPLATES, "page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    colours = {service: COLOURS[place % len(COLOURS)] for place, service in enumerate(services(layouts))}
    return _TEMPLATES.get_template("page.html.j2").render(
        title=title,
        notes=notes,
        command=command,
        events=events,
        sections=layouts,
        drawn={layout.trace_id for layout in layouts},
        colour=lambda service: colours.get(service, GREY),
        style=Markup(style),  # noqa: S704 - a file of ours
        style_hash=f"sha256-{digest}",
        began=lambda moment: f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC",
        duration=duration,
        bar=_bar,
        facts=_facts,
    )


def _bar(layout: Layout, row: Row) -> tuple[str, str]:
    """Returns the left edge and the width of a bar, which is never too narrow to be seen and never leaves the axis."""
    left, right = (layout.axis.share(moment) * 100 for moment in (row.start, row.end))
    width = max(right - left, BAR_PERCENT_MIN)
    return f"{min(left, 100 - width):.3f}%", f"{width:.3f}%"


def _facts(layout: Layout, span: Span) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns all that is known of a span, by block."""
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
