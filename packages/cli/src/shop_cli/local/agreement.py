"""Whether the systems of a shop agree that did not end in order, and what is done when they do not."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from shop_cli.local import deploy, emulator, emulator_store
from shop_cli.local.home import Home, State
from shop_cli.operations import rebuild
from shop_cli.operations.verify import command as verify
from shop_cli.operations.verify.findings import Findings
from shop_cli.operations.verify.sources import ShopSources
from shop_cli.progress import ProgressDisplay
from shop_cli.target import Target

GRACE_SECONDS = 120.0
"""What a kill has interrupted is due after a minute, and the sweep runs every minute."""
WAIT_SECONDS = 10.0
BEHIND_SECONDS_MAX = 60.0
"""The stream gives its consumers a failed batch again, and they may have to start first."""


def age(home: Home) -> str:
    """Says when the data of the emulator has last changed; empty when there is none. Raises DamagedError."""
    moments = emulator_store.read_moments(emulator.state_folder(home))
    if moments is None or moments.changed_at is None:
        return ""
    ago = timedelta(seconds=max(0, round(time.time() - moments.changed_at)))
    return (
        f"last changed {ago} ago, on {datetime.fromtimestamp(moments.changed_at, UTC).astimezone():%d %B at %H:%M:%S}"
    )


def was_orderly(home: Home) -> bool:
    moments = emulator_store.read_moments(emulator.state_folder(home))
    return moments is None or moments.stopped_at is not None


def ensure(state: State, progress: ProgressDisplay) -> None:
    """What is missing downstream is published by the sweep, or else the read model is made anew from the store."""
    target = Target.here(state)
    findings = _audit(target, progress)
    if findings.differences:
        with progress.step("Sweep", "publishing and settling what is due"):
            name = f"shop-command-{deploy.STAGE}-sweep"
            emulator.client(state, "lambda").invoke(FunctionName=name, Payload=b"{}")
        findings = _audit(target, progress)
    if _is_behind(findings):
        function = rebuild.RebuildFunction(target.function("rebuild"))
        rebuild.run(function, rebuild.RebuildSource.store, progress, swap=True)
        function.ask("drop-old")
        findings = _audit(target, progress)
    if findings.differences:
        progress.line("  [red]✗[/red]   Unless customers are buying just now, ./shop verify names what does not agree")


def _audit(target: Target, progress: ProgressDisplay) -> Findings:
    sources, began = ShopSources.of(target, payment_url=""), time.monotonic()
    with progress.step("Agreement", "comparing DynamoDB, payments, PostgreSQL and archive") as step:
        while True:
            findings = verify.run(sources, grace_seconds=GRACE_SECONDS, wait_seconds=0, report=step.doing)
            seconds_max = BEHIND_SECONDS_MAX if _is_behind(findings) else WAIT_SECONDS
            if not findings.differences or time.monotonic() > began + seconds_max:
                break
        events, count = findings.examined["streams"], len(findings.differences)
        agree = f"{count:,} differences" if count else "DynamoDB, payments, PostgreSQL and archive agree"
        step.done(f"{agree}, {events:,} events")
    return findings


def _is_behind(findings: Findings) -> bool:
    """While customers buy, rows and stock are always on their way, but no stream's end is for long."""
    return bool(findings.of("heads"))
