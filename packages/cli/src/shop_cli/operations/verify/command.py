"""`shop verify`: looks at a shop until it is clean, or what differs has been seen again, and prints what was found."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from shop_cli.operations.verify.audit import Audit, Sources
from shop_cli.operations.verify.findings import CHECKS, Findings
from shop_cli.operations.verify.sources import ShopSources, reading
from shop_cli.output import JsonOption, display, print_json
from shop_cli.progress import ProgressDisplay
from shop_cli.target import StageOption, Target

AGAIN_AFTER_SECONDS: Final = 1.0
SHOWN_MAX: Final = 20
VALUE_CHARACTERS_MAX: Final = 200


def verify(
    *,
    stage: StageOption = None,
    rebuilt: Annotated[
        bool, typer.Option("--rebuilt", help="Read the new tables of `shop rebuild --no-swap`, before they are in use.")
    ] = False,
    payment_url: Annotated[
        str, typer.Option(help="Reach the stage's payment provider there.")
    ] = "https://api.stripe.com",
    grace_seconds: Annotated[float, typer.Option(help="Do not report what is due for less time than this.")] = 120,
    wait_seconds: Annotated[
        float, typer.Option(help="Wait this long for what was just done to arrive. On AWS the archive takes 60 s.")
    ] = 10,
    as_json: JsonOption = False,
) -> None:
    """Audit a quiet shop: streams, states, stock, payments, what is due, read model and archive. It changes nothing.

    The exit code is 0 when it is clean, 1 when there are differences, each of which is named, and 2 when it could not
    be checked. A difference counts only if a second look sees it again.
    """
    progress = display(for_scripts=as_json)
    with reading():
        sources = ShopSources.of(Target.of(stage), payment_url, rebuilt=rebuilt)
        with progress.step("Verify", "reading") as step:
            findings = run(sources, grace_seconds=grace_seconds, wait_seconds=wait_seconds, report=step.doing)
            step.done(f"{findings.examined['streams']:,} events")
    if as_json:
        print_json(document(findings))
    else:
        show(findings, progress)
    raise typer.Exit(1 if findings.differences else 0)


def run(
    sources: Sources,
    *,
    grace_seconds: float,
    wait_seconds: float,
    report: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Findings:
    """A difference counts if every look sees it: at least two, and as many as `wait_seconds` have room for, so that
    what was committed a moment ago gets the time to arrive everywhere."""
    deadline = time.monotonic() + wait_seconds
    findings = Audit(datetime.now(UTC), grace_seconds).run(sources, report)
    looks = 1
    while findings.differences and (looks == 1 or time.monotonic() < deadline):
        sleep(AGAIN_AFTER_SECONDS)
        findings = Audit(datetime.now(UTC), grace_seconds).run(sources, report).seen_again(findings)
        looks += 1
    return findings


def document(findings: Findings) -> dict[str, Any]:
    return {
        "clean": not findings.differences,
        "checks": [
            {
                "check": check,
                "invariants": list(invariants),
                "holds": meaning,
                "examined": findings.examined[check],
                "differences": [each.values() for each in findings.of(check)],
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
        if not (differences := findings.of(check)):
            continue
        rest = f", of which the first {SHOWN_MAX} are (--json has all)" if len(differences) > SHOWN_MAX else ""
        numbers = ", ".join(map(str, CHECKS[check].invariants))
        progress.line(f"\n[bold]{check}[/bold] (invariants {numbers}), {_counted(len(differences))}{rest}:")
        for each in differences[:SHOWN_MAX]:
            progress.line(f"  {escape(each.subject)}  {escape(each.what)}")
            progress.line(f"    expected {escape(_short(each.expected))}")
            progress.line(f"    found    {escape(_short(each.found))}")
    count = len(findings.differences)
    progress.line(f"\n[bold]{_counted(count) if count else 'Clean'}.[/bold]")


def _counted(differences: int) -> str:
    return f"{differences:,} difference{'' if differences == 1 else 's'}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else f"{text[:VALUE_CHARACTERS_MAX]}..."
