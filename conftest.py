"""The fast lane, `make unit`: which tests it leaves out is read from what they use, so that nobody has to mark them.

A test is `emulator` when its code or its fixtures start the local AWS, and `slow` when they start any other process,
open a database or use moto. What a test reaches is followed by name, through the functions of this checkout. Should a
test that starts a process get into the lane nevertheless, the interpreter's audit hook fails it.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from inspect import unwrap
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from shop_cli.guard_testing import guard_this_process

# `make mutants` runs a copy of this file, and of what it mutates, in a folder of the checkout.
CHECKOUT = next(folder for folder in Path(__file__).parents if (folder / ".venv").exists())
LANE = "not slow and not emulator"
SLOW_MODULES = {"duckdb", "moto", "multiprocessing", "psycopg", "socket", "subprocess"}
EMULATOR = "running_emulator"
STARTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"}
_inside_a_test = False


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == LANE:
        sys.addaudithook(_refuse_processes)
    else:
        # The folders of `tmp_path` stay for whoever looks into a failure.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        guard_this_process()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    global _inside_a_test  # noqa: PLW0603
    _inside_a_test = True
    try:
        return (yield)
    finally:
        _inside_a_test = False


def _refuse_processes(event: str, arguments: tuple[Any, ...]) -> None:
    if _inside_a_test and event in STARTS:
        raise RuntimeError(f"a test of the fast lane starts a process: {event} {arguments[:1]}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function):
            for mark in _marks(item):
                item.add_marker(mark)


def _marks(item: pytest.Function) -> set[str]:
    definitions = item._fixtureinfo.name2fixturedefs.values()
    functions = [item.function, *(definition.func for found in definitions for definition in found[-1:])]
    return set().union(*(_reached(_plain(function)) for function in functions))


@cache
def _reached(function: Any) -> set[str]:
    """The marks that a function of this checkout brings with it."""
    marks: set[str] = set()
    waiting, seen = [function], set()
    while waiting:
        one = waiting.pop()
        if one in seen or not isinstance(one, FunctionType) or not _is_ours(one.__code__.co_filename):
            continue
        seen.add(one)
        names = _names(one.__code__)
        modules = [value for name in names if isinstance(value := one.__globals__.get(name), ModuleType)]
        spaces = [
            one.__globals__,
            *(vars(module) for module in modules if _is_ours(getattr(module, "__file__", None) or "")),
        ]
        for value in [space[name] for space in spaces for name in names if name in space]:
            if _module(value) in SLOW_MODULES:
                marks.add("slow")
            elif isinstance(value, type):
                waiting += [_plain(member) for member in vars(value).values() if callable(member)]
            elif callable(value):
                waiting.append(_plain(value))
        marks |= {"emulator"} if EMULATOR in names else set()
        marks |= {"slow"} if SLOW_MODULES & names else set()
    return marks


def _plain(function: Any) -> Any:
    """A fixture of a class is a bound method, and a context manager is a wrapper."""
    function = unwrap(function)
    return getattr(function, "__func__", function)


def _names(code: CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _module(value: object) -> str:
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or ""
    return str(name).partition(".")[0]


@cache
def _is_ours(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(CHECKOUT) and not any(part.startswith(".venv") for part in path.parts)
