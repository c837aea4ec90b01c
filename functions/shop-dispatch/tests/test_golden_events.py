"""Every version of every event ever shipped can be applied: none is parked."""

from pathlib import Path

import pytest

from shop_dispatch.domain.projections import PROJECTIONS
from shop_dispatch.domain.records import Event, _canonical, _judged, read
from shop_shared.testing import RECORDS, mutations

GOLDEN = Path(__file__).parents[3] / "packages/shared/golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.rglob("*.json")), ids=lambda path: path.parent.name)
def test_a_shipped_event_is_not_parked(path: Path) -> None:
    assert isinstance(read(path.read_bytes()), Event)


@pytest.mark.parametrize("name", RECORDS)
def test_a_mutation_that_the_structs_read_is_applied_as_the_models_read_it(name: str) -> None:
    for text in mutations(RECORDS[name]):
        event = _canonical(text.encode())
        if event is not None:
            judged = _judged(text.encode())
            assert isinstance(judged, Event)
            assert (event.key, event.trace, event.record) == (judged.key, judged.trace, judged.record)
            for projection in PROJECTIONS:
                assert projection.fold([event.envelope]) == projection.fold([judged.envelope])
