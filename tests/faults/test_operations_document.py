"""docs/operations.md names a test for each failure; each of them is there."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
ELSEWHERE = re.compile(r"^\[([a-z0-9-]+)\]: https:", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\[([a-z0-9-]+)\]")
TARGET = re.compile(r"^\[([a-z0-9-]+)\]: (\S+)$", re.MULTILINE)


def test_every_test_that_the_document_names_is_where_it_says() -> None:
    text = DOCUMENT.read_text()
    targets = {name: (DOCUMENT.parent / path).resolve() for name, path in TARGET.findall(text) if "https:" not in path}
    missing = []
    links = [(words, name) for words, name in LINK.findall(text) if name not in ELSEWHERE.findall(text)]
    for words, name in links:
        path = targets.get(name)
        is_test = path is not None and path.name.startswith("test_")
        if path is None or not path.exists():
            missing.append(f"{name}: no such file")
        elif is_test and f"def test_{words.replace(' ', '_').replace('-', '_')}(" not in path.read_text():
            missing.append(f"{path.name}: {words}")
    assert missing == []
    assert len(targets) > 5
    assert set(targets) == {name for _, name in links}
