"""Writes docs/commands.md from the declarations of the commands of `./shop` and from the comments in the Makefile."""

import argparse
import re
import sys
from collections.abc import Iterator
from typing import Any

import typer.main

from shop_cli.local.build import CHECKOUT
from shop_cli.main import app

PAGE = CHECKOUT / "docs" / "commands.md"
HEAD = """\
# Commands

This page is generated: `make commands` writes it, and `make drift` compares it with the code.

Each command prints its help with `--help`. A command that needs the shop exits with 3 when it does not run.
"""
TARGET = re.compile(r"^([a-z-]+):.*## (.*)$", re.MULTILINE)


def page() -> str:
    targets = [f"| `make {name}` | {text} |" for name, text in TARGET.findall((CHECKOUT / "Makefile").read_text())]
    shop = "\n".join(
        line for name, command in commands("./shop", typer.main.get_command(app)) for line in one(name, command)
    )
    return f"{HEAD}\n## make\n\n| target | what it does |\n|---|---|\n" + "\n".join(targets) + f"\n\n## ./shop\n{shop}"


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yields each command with its whole name; a group stands for its commands."""
    if hasattr(command, "commands"):
        for part, each in command.commands.items():
            yield from commands(f"{name} {part}", each)
    else:
        yield name, command


def one(name: str, command: Any) -> Iterator[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    yield f"\n### `{' '.join([name, *map(_usage, arguments)])}`\n"
    yield f"{command.help}\n"
    for each in arguments:
        yield f"- `{_name(each)}`: {each.help}"
    for each in command.params:
        if each.param_type_name == "option":
            takes = "" if each.is_flag else f" {_name(each)}"
            default = each.show_default if isinstance(each.show_default, str) else each.default
            shown = f" Default: {default}." if default and not each.is_flag else ""
            yield f"- `{', '.join(each.opts)}{takes}`: {each.help}{shown}"


def _name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper()).strip("[]")


def _usage(argument: Any) -> str:
    repeated = _name(argument) + ("" if argument.nargs == 1 else "...")
    return repeated if argument.required else f"[{repeated}]"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shop_cli.commands_page", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare the page with the code")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit("docs/commands.md is not what the code says: run `make commands`")


if __name__ == "__main__":
    main()
