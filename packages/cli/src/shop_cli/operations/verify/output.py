"""What the audit has found, for people and for scripts."""

from typing import Any, Final

from rich.markup import escape

from shop_cli.operations.verify.findings import CHECKS, Findings
from shop_cli.progress import ProgressDisplay

SHOWN_MAX: Final = 20
VALUE_CHARACTERS_MAX: Final = 200


def document(findings: Findings) -> dict[str, Any]:
    return {
        "clean": not findings.differences,
        "checks": [
            {
                "check": check,
                "invariants": list(invariants),
                "holds": meaning,
                "examined": findings.examined[check],
                "differences": [
                    {
                        "subject": each.subject,
                        "what": each.what,
                        "expected": each.expected,
                        "found": each.found,
                    }
                    for each in findings.of(check)
                ],
            }
            for check, (invariants, meaning) in CHECKS.items()
        ],
    }


def show(findings: Findings, progress: ProgressDisplay) -> None:
    for check, (_, meaning) in CHECKS.items():
        differences = findings.of(check)
        mark = f"[red]✗[/red] {len(differences):,} of" if differences else "[green]✓[/green]"
        progress.line(f"  {check:<12} {mark} {findings.examined[check]:,}  [dim]{escape(meaning)}[/dim]")
    for check in CHECKS:
        differences = findings.of(check)
        if not differences:
            continue
        shown = min(SHOWN_MAX, len(differences))
        numbers = ", ".join(map(str, CHECKS[check].invariants))
        progress.line(
            f"\n[bold]{check}[/bold] (invariants {numbers}), {len(differences):,} differences"
            + _rest(shown, len(differences))
        )
        for each in differences[:SHOWN_MAX]:
            progress.line(f"  {escape(each.subject)}  {escape(each.what)}")
            progress.line(f"    expected {escape(_short(each.expected))}")
            progress.line(f"    found    {escape(_short(each.found))}")
    count = len(findings.differences)
    progress.line("\n[bold]Clean.[/bold]" if not count else f"\n[bold]{_counted(count)}.[/bold]")


def _counted(differences: int) -> str:
    return f"{differences:,} difference{'' if differences == 1 else 's'}"


def _rest(shown: int, total: int) -> str:
    return f", of which the first {shown} are (--json has all):" if shown < total else ":"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else f"{text[:VALUE_CHARACTERS_MAX]}..."
