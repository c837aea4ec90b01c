"""Every command that a document names is one of its tool, with options that the tool has. Nothing is run."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer.main
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from shop_cli.main import app

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "functions/*/*.md", "packages/*/*.md", "web/*.md", "bench/*.md")
    for path in CHECKOUT.glob(pattern)
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^ {4}(?! ).+\n?)+", re.MULTILINE)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
COMMENT = re.compile(r"(?m)^\s*#.*$|\s# .*$")
PLACEHOLDER = re.compile(r"<[\w .:/'-]+>|…")
QUOTED = re.compile(r'"(\$\([^()"]*\))"')
WORDS_BEFORE = {"do", "then", "else", "npx", "exec"}
BEGINNING = re.compile(r"(cd |npx |eval |[A-Z_]+=|[./]*shop |make|serverless |aws [\w-]+ [\w-]+( --|$))")
TOOLS = ("make", "shop", "serverless", "osls-compose", "aws")


@dataclass(frozen=True)
class Named:
    document: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: {' '.join(self.words)}"


def named(document: Path) -> Iterator[Named]:
    text = document.read_text()
    for language, block in FENCE.findall(text):
        if language == "console":
            yield from of(document, "\n".join(re.findall(r"(?m)^\$ (.*)$", block)))
        elif language == "sh":
            yield from of(document, block)
    prose = FENCE.sub("", text)
    for block in INDENTED.findall(prose):
        yield from of(document, block)
    for code in INLINE.findall(prose):
        if re.match(BEGINNING, code):  # Other code in a line is a name, a message or data.
            yield from of(document, " ".join(code.split()))


def of(document: Path, text: str) -> Iterator[Named]:
    return (Named(str(document.relative_to(CHECKOUT)), words) for words in commands(text))


def commands(text: str) -> Iterator[tuple[str, ...]]:
    """Yields the words of each simple command of ours or of AWS's in a piece of shell, the tool first."""
    bare = QUOTED.sub(r"\1", PLACEHOLDER.sub("PLACEHOLDER", COMMENT.sub("", text.replace("\\\n", " "))))
    lexer = shlex.shlex(bare, posix=True, punctuation_chars="();&|<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    for token in (*lexer, "\n"):
        if set(token) <= set("();&|<>\n"):
            yield from simple(words)
            words = []
        else:
            words.append(token)


def simple(words: list[str]) -> Iterator[tuple[str, ...]]:
    while words and (words[0] in WORDS_BEFORE or re.fullmatch(r"\$|[a-zA-Z_]+=\S*\$?", words[0])):
        words = words[1:]
    if words:
        tool = words[0].removeprefix("../../").removeprefix("./")
        if tool in TOOLS:
            yield (tool, *words[1:])


def options(words: tuple[str, ...]) -> list[str]:
    return [word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)]


def problems(command: Named) -> list[str]:
    tool, words = command.words[0], command.words[1:]
    match tool:
        case "make":
            return of_make(words)
        case "shop":
            return of_shop(words)
        case "serverless":
            return of_osls(words)
        case "osls-compose":
            return of_compose(words)
        case _:
            return of_aws(words)


def of_make(words: tuple[str, ...]) -> list[str]:
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    found = []
    for word in words:
        name, is_variable, _ = word.partition("=")
        if is_variable and name != "PATH" and f"$({name})" not in makefile:
            found.append(f"no variable {name}")
        elif not is_variable and not word.startswith("-") and word not in targets:
            found.append(f"no target {word}")
    return found


@cache
def shop() -> Any:
    return typer.main.get_command(app)


def of_shop(words: tuple[str, ...]) -> list[str]:
    command = shop()
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return [] if words[0].startswith("-") or words[0] == "PLACEHOLDER" else [f"no command {words[0]}"]
        command, words = command.commands[words[0]], words[1:]
    known = {"--help"}.union(*(each.opts + each.secondary_opts for each in command.params))
    return [f"no option {option}" for option in options(words) if option not in known]


@cache
def osls() -> dict[str, list[str]]:
    """Returns the options of each command from the registry by which the tool itself checks them."""
    script = """
      const commands = require('osls/lib/cli/commands-schema');
      const flags = ([name, {shortcut}]) => ['--' + name, ...(shortcut ? ['-' + shortcut] : [])];
      const all = [...commands].map(([name, it]) => [name, Object.entries(it.options || {}).flatMap(flags)]);
      console.log(JSON.stringify(Object.fromEntries(all)));
    """
    done = subprocess.run(["node", "--eval", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def of_osls(words: tuple[str, ...]) -> list[str]:
    if not words:
        return []
    known = osls()
    name = next((" ".join(words[:size]) for size in (3, 2, 1) if " ".join(words[:size]) in known), None)
    if name is None:
        return [f"no command {words[0]}"]
    given = options(words)
    found = [f"no option {option} of {name}" for option in given if option not in known[name]]
    if name == "rollback" and not {"-t", "--timestamp"} & set(given):
        found.append("only lists, because no timestamp is given")
    if given and not {"-s", "--stage", "--help"} & set(given):
        found.append("takes stage dev, because none is named")
    return found


def of_compose(words: tuple[str, ...]) -> list[str]:
    """Its commands are methods of one class, and its options a set in a file of their own."""
    source = CHECKOUT / "node_modules" / "@osls" / "compose" / "src"
    methods = set(re.findall(r"^  (?:async )?(\w+)\(", (source / "ComponentsService.js").read_text(), re.MULTILINE))
    validation = (source / "validate-options.js").read_text()
    known = re.findall(r"'([\w-]+)'", validation.partition("supportedOptions = ")[2].partition(";")[0])
    found = [f"no command {words[0]}"] if words and words[0] not in methods else []
    return found + [f"no option {option}" for option in options(words) if option.removeprefix("--") not in known]


GLOBAL_OF_AWS = {"--query", "--output", "--region", "--profile", "--no-cli-pager", "--endpoint-url"}
PAGES_OF_AWS = {"--max-items", "--page-size", "--starting-token"}
OTHERS_OF_AWS = {
    # https://docs.aws.amazon.com/cli/latest/reference/s3/ls.html
    "s3 ls": {"--recursive", "--summarize", "--human-readable"},
    # https://docs.aws.amazon.com/cli/latest/reference/sns/subscribe.html
    "sns subscribe": {"--topic-arn", "--protocol", "--notification-endpoint"},
}
"""The command line has these commands or names of its own, beside those of the services' models."""


@cache
def services() -> botocore.session.Session:
    return botocore.session.get_session()


def of_aws(words: tuple[str, ...]) -> list[str]:
    if len(words) < 2:
        return []
    own = OTHERS_OF_AWS.get(" ".join(words[:2]))
    if own:
        return [f"no option {option}" for option in options(words) if option not in own]
    session = services()
    try:
        model = session.get_service_model(words[0].replace("s3api", "s3"))
    except UnknownServiceError:
        return [f"no service {words[0]}"]
    if words[1] == "wait":
        waiters = session.get_waiter_model(words[0]).waiter_names
        return [] if words[2] in {xform_name(name, "-") for name in waiters} else [f"no waiter {words[2]}"]
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if words[1] not in operations:
        return [f"no operation {words[1]} of {words[0]}"]
    shape = model.operation_model(operations[words[1]]).input_shape
    members = {f"--{xform_name(member, '-')}" for member in (shape.members if shape else {})}
    given = [option.replace("--no-", "--") for option in options(words)]
    return [f"no option {option}" for option in given if option not in members | GLOBAL_OF_AWS | PAGES_OF_AWS]


def test_every_command_of_a_document_is_one_of_its_tool() -> None:
    found = [command for document in DOCUMENTS for command in named(document)]
    assert {command.words[0] for command in found} >= {"make", "shop", "serverless", "aws"}
    assert [f"{command}: {problem}" for command in found for problem in problems(command)] == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("make tests", "no target tests"),
        ("make test FUNC=shop-query", "no variable FUNC"),
        ("cd web && ./shop relase-web --stage $stage", "no command relase-web"),
        ("./shop parked replay 7 --every # all", "no option --every"),
        ("npx serverless deploy functions --stage dev -f migrate", "no option -f of deploy"),
        ("npx serverless redeploy", "no command redeploy"),
        ("(cd functions/shop-query && npx serverless rollback --stage dev)", "only lists"),
        ("npx serverless invoke -f sweep", "takes stage dev"),
        ("for s in dev; do npx osls-compose deploy --stage $s --region eu-west-1; done", "no option --region"),
        ("npx osls-compose redeploy", "no command redeploy"),
        ("arn=$(aws rds describe-db-cluster --output text)", "no operation describe-db-cluster of rds"),
        ("aws ssm put-parameter --name x \\\n  --kind String", "no option --kind"),
        ("aws dbs list", "no service dbs"),
        ("aws cloudformation wait stack-deleted --stack-name x", "no waiter stack-deleted"),
    ],
)
def test_what_a_tool_does_not_have_is_found(text: str, problem: str) -> None:
    (command,) = (Named("a document", words) for words in commands(text))
    assert problem in problems(command)[0]
