"""The folders of packages and functions are the list of members; settings that must repeat it agree with them."""

import tomllib
from typing import Any

import pytest

from shop_cli.local import deploy
from shop_cli.local.build import CHECKOUT, FUNCTIONS

MEMBERS = [path.parent for kind in ("packages", "functions") for path in CHECKOUT.glob(f"{kind}/*/pyproject.toml")]


@pytest.fixture(scope="module")
def tools() -> dict[str, Any]:
    return dict(tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"])


def test_mypy_finds_the_sources_of_every_member(tools: dict[str, Any]) -> None:
    assert sorted(tools["mypy"]["mypy_path"]) == sorted(str(it.relative_to(CHECKOUT) / "src") for it in MEMBERS)


def test_import_contracts_cover_every_member(tools: dict[str, Any]) -> None:
    modules = [module.name for member in MEMBERS for module in (member / "src").iterdir() if module.is_dir()]
    assert sorted(tools["importlinter"]["root_packages"]) == sorted(modules)


def test_functions_are_independent_of_each_other(tools: dict[str, Any]) -> None:
    [contract] = [it for it in tools["importlinter"]["contracts"] if it["type"] == "independence"]
    assert sorted(contract["modules"]) == [function.replace("-", "_") for function in FUNCTIONS]


def test_a_deployment_reads_every_package_that_a_function_takes() -> None:
    assert {"packages/shared", "packages/observability", "packages/database"} < set(deploy.SOURCES)
    assert {f"functions/{name}" for name in FUNCTIONS} < set(deploy.SOURCES)
