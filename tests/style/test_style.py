"""These tests check how the project reads: every docstring and comment is a sentence that can be read aloud to
somebody who has never seen the code, and one name means one thing.

Grammar is judged by words alone: a sentence needs more verbs than words that begin a clause. What this lets pass may
still be bad English; what it refuses is a fragment, or uses a verb that verbs.txt does not have yet.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DIRECTIVES = re.compile(r"#\s*(noqa|type:|pragma|!|https?:)")


@dataclass(frozen=True)
class Prose:
    """Holds one docstring or comment, and where it stands."""

    place: str
    text: str

    @property
    def first_sentence(self) -> str:
        return re.split(r"(?<=[.!?])\s", self.text.strip(), maxsplit=1)[0]


@cache
def sources(member: str = "") -> tuple[Path, ...]:
    """The Python files that git tracks or would track, below a folder of the checkout."""
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", f"{member or '.'}/**.py"],
        cwd=CHECKOUT,
        text=True,
    )
    return tuple(path for name in listed.split() if (path := CHECKOUT / name).is_file())


def members() -> list[str]:
    """Each folder that has sources of its own: packages, functions, benchmarks and the tests that span services."""
    folders = [path.parent for path in CHECKOUT.glob("*/*/pyproject.toml") if "node_modules" not in path.parts]
    return [*sorted(str(folder.relative_to(CHECKOUT)) for folder in folders), "bench", "infra", "tests", "web"]


def docstrings(path: Path) -> Iterator[Prose]:
    """A text that stands alone documents what is before it: a module, a class, a function or an assignment."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for statement in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield Prose(f"{path.relative_to(CHECKOUT)}:{statement.lineno}", text)


def comments(path: Path) -> Iterator[Prose]:
    """Comments that take whole lines, each joined with those right below it."""
    block: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type != tokenize.COMMENT or token.line[: token.start[1]].strip() or DIRECTIVES.match(token.string):
            continue
        if block and token.start[0] != last + 1:
            yield Prose(f"{path.relative_to(CHECKOUT)}:{first}", " ".join(block))
            block = []
        first, last = (first if block else token.start[0]), token.start[0]
        block.append(token.string.lstrip("# "))
    if block:
        yield Prose(f"{path.relative_to(CHECKOUT)}:{first}", " ".join(block))


def names(path: Path) -> Iterator[tuple[str, str]]:
    """Each name that a file defines, with the place: classes, functions, arguments, variables and attributes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                pass
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                pass
            case _:
                continue
        yield f"{path.relative_to(CHECKOUT)}:{node.lineno}", name


OPENERS = re.compile(
    r"(Of|By|From|Those|Its|Whose|Whom|What|Whatever|Whether|How|Who|Whoever|Why|Which|Where|None|Not|Until|Between|"
    r"Within|Beside|Without|As|For|With|To|At|Since|After|Before|When|In|On) (?!.*, )"
)
"""A sentence that begins with one of these is a fragment, unless a comma shows that its main clause comes later."""

PREPOSITIONS = re.compile(r"(Of|By|From|With|As|Within|Between|Beside|Without|For|Not) ", re.I)
"""What comes after such a beginning and its comma has to be a main clause, too."""

CLAUSES = re.compile(r"\b(that|which|who|whom|whose|where|what|whatever|how|why|whether|if|because|while|when)\b", re.I)

VERBS = frozenset((Path(__file__).parent / "verbs.txt").read_text(encoding="utf-8").split())

KIND = {"docstring": docstrings, "comment": comments}


def is_verb(word: str) -> bool:
    """Whether a word may be a verb in one of its forms, which many nouns look like too."""
    if word in VERBS:
        return True
    stems = {word.removesuffix(ending) for ending in ("s", "es", "d", "ed") if word.endswith(ending)}
    stems |= {word.removesuffix(ending) + "y" for ending in ("ies", "ied") if word.endswith(ending)}
    stems |= {stem[:-1] for stem in stems if stem[-2:-1] and stem[-1] == stem[-2]}
    return bool(stems & VERBS)


def is_fragment(prose: Prose) -> bool:
    sentence = re.sub(r"`[^`]*`", "NAME", prose.first_sentence)
    if OPENERS.match(sentence):
        return True
    while PREPOSITIONS.match(sentence):
        sentence = re.sub(r"^(or|and) ", "", sentence.partition(", ")[2])
    words = re.findall(r"[a-z']+", sentence.lower())
    return sum(map(is_verb, words)) <= len(CLAUSES.findall(sentence))


@pytest.mark.parametrize("kind", KIND)
@pytest.mark.parametrize("member", members())
def test_every_text_is_a_sentence(member: str, kind: str) -> None:
    found = [prose for path in sources(member) for prose in KIND[kind](path) if not prose.text.startswith("http")]
    fragments = [f"{prose.place}: {prose.first_sentence}" for prose in found if is_fragment(prose)]
    assert not fragments, "\n" + "\n".join(fragments)


@pytest.mark.parametrize(
    "fragment",
    [
        "Of the applied events.",
        "By what the line of a batch is found that a request led to.",
        "What the request is found by that the failure belongs to.",
        "The only moment that somebody needs.",
        "Whether it is recorded.",
        "By route, or by kind of visit.",
        "Of all functions, of the API and of Firehose, as CloudWatch Logs has them.",
    ],
)
def test_a_fragment_is_found(fragment: str) -> None:
    assert is_fragment(Prose("here", fragment))


@pytest.mark.parametrize(
    "sentence",
    [
        "Locks are taken in the order of stream ids, so that two batches cannot wait for each other.",
        "A record that is not base64 never blocks a batch.",
        "Raises VersionConflictError when somebody else was first.",
        "In Lambda, the SDK sends each subsegment as a datagram of its own.",
    ],
)
def test_a_sentence_passes(sentence: str) -> None:
    assert not is_fragment(Prose("here", sentence))


PRIVATE = {"hear", "heard", "tell", "told", "said", "chance", "about"}
"""These words are too general to name anything: the field has a better one for each."""
SHARED = {"Answer", "Clock", "PostgresReadModel", "ReadModel", "Shop", "SystemClock"}
"""Several members have one of these each, and it means the same in each: `Shop` is the shop under test."""


@pytest.mark.parametrize("member", members())
def test_names_use_the_words_of_the_field(member: str) -> None:
    defined = [found for path in sources(member) for found in names(path) if not found[1].startswith("test_")]
    assert not [found for found in defined if PRIVATE & set(found[1].lower().split("_"))]


def test_one_class_name_means_one_thing() -> None:
    places = defaultdict(list)
    for path in sources():
        if "tests" not in path.parts:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and node.name not in SHARED:
                    places[node.name].append(f"{path.relative_to(CHECKOUT)}:{node.lineno}")
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_no_table_of_a_document_is_cut() -> None:
    """A blank line within a table shows what follows it as text."""
    listed = subprocess.check_output(["git", "ls-files", "*.md"], cwd=CHECKOUT, text=True)
    cut = [
        f"{name}: {row}"
        for name in listed.split()
        for row in re.findall(r"(?m)(?<!\|\n)^(\|.*\n)(?!\|[\s:|-]+\n)", (CHECKOUT / name).read_text(encoding="utf-8"))
    ]
    assert cut == []
