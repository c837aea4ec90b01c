"""The named queries in Athena's own grammar, which is Trino's: the local Athena is DuckDB, which takes more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trino_query_parser import TrinoSyntaxError, parse_statement_tree

QUERIES = sorted((Path(__file__).parents[2] / "infra" / "queries").glob("*.sql"))
# The grammar takes a function of any name. Trino has these, and so has Athena; look others up in both:
# https://trino.io/docs/current/functions.html, https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html
FUNCTIONS = {
    *(
        "coalesce",
        "count",
        "date_diff",
        "json_extract",
        "max",
        "max_by",
        "min",
        "replace",
        "round",
        "row_number",
        "sum",
    ),
}


def nodes(tree: Any, kind: str | None) -> Iterator[Any]:
    """Yields what a parsed statement has of one kind; None is for its words, which the parser writes in capitals."""
    if kind is None and isinstance(tree, str):
        yield tree
    for name, part in tree.items() if isinstance(tree, dict) else ():
        if name == kind:
            yield part
        yield from nodes(part, kind)
    for part in tree if isinstance(tree, list) else ():
        yield from nodes(part, kind)


@pytest.mark.parametrize("query", QUERIES, ids=lambda file: file.stem)
def test_athena_takes_every_named_query(query: Path) -> None:
    calls = nodes(parse_statement_tree(query.read_text()), "function_call")
    called = {next(nodes(name, None)).lower() for name, *_ in calls}
    assert called
    assert called <= FUNCTIONS


@pytest.mark.parametrize(
    "text",
    [
        *("SELECT day::date FROM events", "FROM events", "SELECT * EXCLUDE (data) FROM events", "SELECT [1, 2]"),
        *("SELECT 1 FROM events QUALIFY day = 1", "SELECT 1 AS end", "SELECT CURRENT_DATE - INTERVAL 1 DAY"),
    ],
)
def test_what_the_local_athena_alone_takes_is_refused(text: str) -> None:
    with pytest.raises(TrinoSyntaxError):
        parse_statement_tree(text)
