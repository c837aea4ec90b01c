"""Counts how much of the project one `POST /reservations` runs through, and how many source lines each member has.

The whole command function runs over the fakes of its `testing` package. The second request counts, when modules and
caches are warm. `python -m bench.call_path` prints both tables; nothing here is a limit.
"""

import io
import subprocess
import sys
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, Final

from shop_command import bootstrap
from shop_command.testing import Shop
from shop_observability.testing import invoked_before

CHECKOUT: Final = Path(__file__).resolve().parents[1]
SOURCES: Final = ("packages", "functions")


def main() -> None:
    with invoked_before("shop-command"), redirect_stdout(io.StringIO()):
        files, calls = call_path()
    print(f"One POST /reservations enters {len(files)} source files, with {calls} calls from one file into another:")
    for name, entered in sorted(files.items()):
        print(f"  {entered:4} {name}")
    print(f"\n{'member':32}{'.py':>8}{'.sql/.yml':>11}")
    lines = source_lines()
    for member, counted in [*sorted(lines.items()), ("together", sum(lines.values(), Counter()))]:
        print(f"{member:32}{counted['py']:>8,}{counted['other']:>11,}")


def call_path() -> tuple[Counter[str], int]:
    """Returns how often each source file is entered from another one, and the sum of these calls."""
    shop = Shop()
    bootstrap.application = lambda: shop.application  # type: ignore[assignment]
    shop.list_product()
    shop.receive()
    shop.reserve(key="first")
    entered: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        name = _source(frame)
        if event == "call" and name is not None:
            caller = frame.f_back
            while caller is not None and _source(caller) is None and "testing" not in caller.f_code.co_filename:
                caller = caller.f_back
            if caller is None or _source(caller) != name:
                entered[name] += 1

    sys.setprofile(profile)
    try:
        answer = shop.reserve(key="second")
    finally:
        sys.setprofile(None)
    assert answer.status == 201, answer  # noqa: S101 - a refused request would take another path
    return entered, sum(entered.values())


def _source(frame: FrameType) -> str | None:
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(CHECKOUT) or "testing" in path.parts or path.stem.endswith("testing"):
        return None
    name = str(path.relative_to(CHECKOUT))
    return name if name.startswith(SOURCES) else None


def source_lines() -> dict[str, Counter[str]]:
    """Returns the lines of each member's sources, without its tests and testing modules."""
    listed = subprocess.check_output(["/usr/bin/env", "git", "ls-files", *SOURCES], cwd=CHECKOUT, text=True)
    lines: dict[str, Counter[str]] = {}
    for name in listed.splitlines():
        path = Path(name)
        if path.suffix not in {".py", ".sql", ".yml"} or "tests" in path.parts or "testing" in name:
            continue
        kind = "py" if path.suffix == ".py" else "other"
        counted = lines.setdefault("/".join(path.parts[:2]), Counter())
        counted[kind] += len((CHECKOUT / path).read_text(encoding="utf-8").splitlines())
    return lines


if __name__ == "__main__":
    main()
