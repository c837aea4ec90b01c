"""Whatever is changed of a stored event is reported, and nothing that the shop itself does."""

from typing import Any

import pytest

from shop_command.adapters.dynamodb import table
from shop_command.adapters.dynamodb.changes import ChangedEvent, changed_event
from shop_command.handlers import integrity
from shop_command.testing.shop import LambdaContext
from shop_observability.testing import Log, measured

Item = dict[str, dict[str, Any]]
KEY: Item = {"pk": {"S": "product-MUG"}, "sk": {"S": "event#0000000002"}}
PUBLISHED: Item = KEY | {"version": {"N": "2"}, "type": {"S": "t"}, "time": {"S": "now"}, "event": {"S": "a secret"}}
DUE: Item = PUBLISHED | {"due_shard": {"S": "3"}, "due_at": {"S": "soon"}}
FORGED: Item = PUBLISHED | {"event": {"S": "another secret"}}


def record(name: str, old: Item | None, new: Item | None) -> dict[str, Any]:
    item = new or old or {}
    images = {"OldImage": old, "NewImage": new}
    change = {"Keys": {name: item[name] for name in ("pk", "sk")}, **{name: it for name, it in images.items() if it}}
    return {"eventName": name, "eventSource": "aws:dynamodb", "dynamodb": change}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("INSERT", None, DUE),
        ("MODIFY", DUE, PUBLISHED),
        ("MODIFY", PUBLISHED, DUE),  # somebody has it published again
        ("MODIFY", {**KEY, "sk": {"S": "state"}}, {**KEY, "sk": {"S": "state"}, "state": {"S": "{}"}}),
        ("REMOVE", {"pk": {"S": "customer#c"}, "sk": {"S": "state"}}, None),
    ],
)
def test_what_the_shop_does_is_no_change_of_an_event(name: str, old: Item | None, new: Item) -> None:
    assert changed_event(record(name, old, new)) is None


@pytest.mark.parametrize("attribute", [*PUBLISHED.keys() - KEY.keys()])
@pytest.mark.parametrize("before", [DUE, PUBLISHED])
@pytest.mark.parametrize("after", [DUE, PUBLISHED])
def test_each_attribute_that_says_something_is_watched(attribute: str, before: Item, after: Item) -> None:
    for new in (after | {attribute: {"S": "other"}}, {name: it for name, it in after.items() if name != attribute}):
        found = changed_event(record("MODIFY", before, new))
        assert found is not None
        assert attribute in found.attributes


def test_an_attribute_that_is_added_or_an_event_that_is_removed_is_a_change() -> None:
    expires = changed_event(record("MODIFY", PUBLISHED, PUBLISHED | {table.FORGET_AT: {"N": "1"}}))
    assert expires == ChangedEvent("product-MUG", "event#0000000002", "MODIFY", (table.FORGET_AT,))
    removed = changed_event(record("REMOVE", DUE, None))
    assert removed is not None
    assert (removed.change, removed.attributes) == ("REMOVE", tuple(sorted(DUE)))


def test_each_is_logged_without_its_content_and_counted(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    records = [record("MODIFY", DUE, PUBLISHED), record("MODIFY", DUE, FORGED), record("REMOVE", PUBLISHED, None)]
    integrity.handler({"Records": records}, LambdaContext())
    errors = log.lines()
    assert [(line["level"], line["stream_id"], line["sk"], line["change"]) for line in errors] == [
        ("ERROR", "product-MUG", "event#0000000002", "MODIFY"),
        ("ERROR", "product-MUG", "event#0000000002", "REMOVE"),
    ]
    assert errors[0]["attributes"] == ["due_at", "due_shard", "event"]
    assert "secret" not in log.text
    assert measured(capsys.readouterr().out) == {"EventsOverwritten": [2.0]}
