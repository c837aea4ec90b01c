"""What the store leaves out of an event is given back byte by byte, and items of before are read as they are."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shop_shared.envelope import decode_as_written, encode
from shop_shared.stored import ATTRIBUTES, event_text, event_text_of_dynamodb, shortened

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*/*.json"))
TIMES = {
    datetime(2026, 11, 23, 9, 0, tzinfo=UTC): "2026-11-23T09:00:00.000Z",
    datetime(2026, 11, 23, 9, 0, 0, 120_000, UTC): "2026-11-23T09:00:00.120Z",
}


@pytest.mark.parametrize("time", TIMES, ids=TIMES.get)
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_event_is_given_back_byte_by_byte(path: Path, time: datetime) -> None:
    event = decode_as_written(path.read_bytes()).model_copy(update={"time": time})
    short = shortened(event, TIMES[time])
    item: dict[str, Any] = {"pk": event.subject, "version": event.streamversion, "type": event.type, **short}
    item["time"] = TIMES[time]
    assert item.keys() == set(ATTRIBUTES)
    assert event_text(item).encode() == encode(event)
    typed = {name: {"N" if name == "version" else "S": str(value)} for name, value in item.items()}
    assert event_text_of_dynamodb(typed).encode() == encode(event)
    assert len(short["event"]) < len(encode(event)) - 250


@pytest.mark.parametrize(
    "change",
    [
        {"time": datetime(2026, 11, 23, 9, 0, 0, 123_456, UTC)},
        {"source": "/another"},
        {"partitionkey": "product-CUP"},
        {"dataschema": "urn:another"},
    ],
)
def test_an_event_that_says_something_unexpected_is_kept_whole(change: dict[str, Any]) -> None:
    event = decode_as_written(GOLDEN[0].read_bytes()).model_copy(update=change)
    assert shortened(event, "2026-11-23T09:00:00.123Z") == {"event": encode(event).decode()}


def test_an_item_of_before_has_the_whole_event() -> None:
    assert event_text({"event": '{"specversion": "1.0"}'}) == '{"specversion": "1.0"}'
