"""docs/cost.md and docs/scale.md say what the code and the table of prices and limits say."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from bench import aws, cost
from bench.scale import __main__ as scale
from bench.scale import counts
from bench.scale.demand import calls, counted, of_sale, provider_calls

from shop_command.testing.calls import index_writes

CHECKOUT = Path(__file__).resolve().parents[2]
BENCH = CHECKOUT / "bench"


def test_calls_and_units_are_as_counted() -> None:
    """`python -m bench.scale.counts` counts anew; then `make cost scale` computes both documents again."""
    assert counts.text() == counts.COUNTS.read_text(encoding="utf-8")


def test_a_sale_grows_no_dearer() -> None:
    assert calls("reservation") <= 4
    assert calls("purchase") <= 7
    assert provider_calls("purchase") <= 2
    assert of_sale("write_units") <= 31
    assert of_sale("index_writes") <= 6
    assert [counted(f"refusal at {n} buckets", "read_units") for n in (1, 8, 64)] == [6, 20, 132]


@pytest.mark.parametrize("command", ["reservation", "purchase"])
def test_an_event_fits_into_the_kilobyte_that_the_stream_bills(command: str) -> None:
    assert counted(command, "events_bytes") <= 1_024 * counted(command, "events")


def test_an_item_of_the_index_is_counted_when_it_comes_goes_or_moves() -> None:
    absent: dict[str, Any] = {}
    out, early, late = {"pk": {"S": "x"}}, *({"due_shard": {"S": "1"}, "due_at": {"S": at}} for at in ("09", "10"))
    assert [
        index_writes(*pair) for pair in ((absent, early), (early, out), (early, late), (late, late), (out, absent))
    ] == [
        *(1, 1, 2),
        *(0, 0),
    ]


def test_the_cost_is_computed_from_the_present_counts() -> None:
    assert cost.DOCUMENT.read_text(encoding="utf-8") == cost.document(), "run make cost"


def test_the_limits_in_the_document_are_the_present_ones() -> None:
    """The simulations are not run again here."""
    written = (scale.DOCS / "scale.md").read_text(encoding="utf-8")
    for table in (scale.limits_table(), scale.needs_table(), aws.limit_table(), aws.limit_table("assumed")):
        assert table in written, "run make scale"


def test_more_sales_cost_more_and_each_of_them_less() -> None:
    few, many = cost.total(cost.purchases(1_000)), cost.total(cost.purchases(1_000_000))
    assert few < many < 1_000 * few


def test_x_ray_records_nearly_all_of_few_requests_and_a_twentieth_of_many() -> None:
    assert cost.sampled(1_000) == pytest.approx(1_000, rel=0.001)
    assert cost.sampled(1e12) == pytest.approx(0.05e12 + 0.95 * cost.SECONDS, rel=0.001)


def test_every_price_and_limit_has_a_source_and_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in [*BENCH.glob("*.py"), *(BENCH / "scale").glob("*.py")])
    for entries in tomllib.loads(aws.FILE.read_text(encoding="utf-8")).values():
        for name, entry in entries.items():
            assert entry["source"], name
            assert re.search(r"memory|20\d\d-\d\d-\d\d", str(entry["seen"])), name
            assert f'"{name}"' in code or name.endswith("_growth_seconds"), f"{name} is not used"


def test_the_charts_are_light() -> None:
    images = [*(scale.DOCS / "images").glob("scale-*.svg")]
    assert len(images) == 4
    assert all(image.stat().st_size < 30_000 for image in images)
