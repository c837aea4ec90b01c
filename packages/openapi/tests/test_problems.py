"""The catalogue has the problems that the code can raise, all and no others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_openapi import document, pages
from shop_openapi.catalogue import CATALOGUE
from shop_openapi.problems import Problem

CHECKOUT = Path(__file__).parents[3]
SOURCES = [CHECKOUT / part / "src" for part in ("functions/shop-command", "functions/shop-query", "packages/http")]


KINDS = ("ProblemError", "ProblemType")
"""A problem is raised with its type's literals, or they are a row of shop-command's table."""


def raised() -> Iterator[tuple[ast.Call, Path]]:
    for source in SOURCES:
        for file in source.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                    yield node, file


def literal(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def test_every_problem_that_the_code_can_raise_is_in_the_catalogue_and_no_other() -> None:
    found = {(literal(call.args[0]), literal(call.args[1]), literal(call.args[2])) for call, _ in raised()}
    found.remove((None, None, None))  # the one call that makes a problem from a row of the table
    samples = [it.sample for it in CATALOGUE.values()]
    assert {(it.status, it.slug, it.title) for it in samples} == found


def test_every_extension_of_a_problem_is_described() -> None:
    for call, file in raised():
        names = {keyword.arg for keyword in call.keywords if keyword.arg not in (None, "headers", "is_anothers")}
        slug = literal(call.args[1])
        if slug is None:
            assert file.name == "problems.py"  # `problem_of`, whose samples are the catalogue's
            continue
        assert names <= set(CATALOGUE[str(slug)].schema()["properties"]), f"{file}: {slug}"


@pytest.mark.parametrize("problem", CATALOGUE.values(), ids=CATALOGUE)
def test_a_problem_with_a_time_to_wait_says_that_a_repeat_helps(problem: Problem) -> None:
    assert ("Retry-After" in problem.sample.headers) == problem.retry.startswith("Yes")
    assert set(problem.extensions) <= set(problem.sample.extensions)


def test_every_problem_is_in_the_document_with_its_schema() -> None:
    whole = document.whole()
    assert set(whole["components"]["examples"]) == set(CATALOGUE)
    named = {slug for it in (*document.command_operations(), *document.query_operations()) for slug in it.slugs}
    assert named == set(CATALOGUE)
    schemas = {name for name in whole["components"]["schemas"] if name.endswith("Problem") and name != "Problem"}
    assert schemas == {it.component for it in CATALOGUE.values()}


@pytest.mark.parametrize("page", [pages.problems_page(), (CHECKOUT / "docs" / "problems.md").read_text()])
def test_every_problem_has_a_section_that_says_what_to_do(page: str) -> None:
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert sorted(it.partition("\n")[0] for it in sections) == sorted(CATALOGUE)
    for section in sections:
        for part in ("- **When:** ", "- **What to do:** ", "- **The same request again:** "):
            assert re.search(re.escape(part) + r"\w", section)
