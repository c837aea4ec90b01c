"""Audits a shop that did not end in order, and repairs what of its systems lags behind the others."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from rich.markup import escape

from shop_cli.errors import ShopError
from shop_cli.local import deploy, emulator
from shop_cli.local.home import Home, State
from shop_cli.operations import rebuild
from shop_cli.operations.verify import command as verify
from shop_cli.operations.verify.findings import Findings
from shop_cli.operations.verify.sources import ShopSources, reading
from shop_cli.progress import ProgressDisplay
from shop_cli.target import Target

GRACE_SECONDS = 120.0
"""What a kill has interrupted is due after a minute, and the sweep runs every minute."""
LAG_SECONDS_MAX = 60.0
"""The stream gives its consumers a failed batch again, and they may have to start first."""
LAGS = ("heads", "archive", "due")
"""While customers buy, rows and stock are always on their way, but no event is for long."""


def age(home: Home) -> str:
    """Says when the data of the emulator has last changed; empty when there is none."""
    changed_at = emulator.saved_moments(home).changed_at
    if changed_at is None:
        return ""
    ago = timedelta(seconds=max(0, round(time.time() - changed_at)))
    return f"last changed {ago} ago, on {datetime.fromtimestamp(changed_at, UTC).astimezone():%d %B at %H:%M:%S}"


def was_orderly(home: Home) -> bool:
    return emulator.saved_moments(home).stopped_at is not None


def ensure(state: State, progress: ProgressDisplay) -> None:
    """What is missing downstream is published by the sweep, or else the read model is made anew from the store."""
    try:
        with reading():
            findings = _repair(Target.here(state), progress)
    except ShopError as error:
        progress.line(f"  [red]✗[/red]   {escape(str(error))}")
    else:
        if not findings.differences:
            return
    # The shop runs nevertheless, and the audit can be made at any time.
    progress.line("  [red]✗[/red]   Unless customers are buying just now, ./shop verify names what does not agree")


def _repair(target: Target, progress: ProgressDisplay) -> Findings:
    findings = _audit(target, progress)
    if _lags(findings):
        with progress.step("Sweep", "publishing and settling what is due"):
            target.client("lambda").invoke(FunctionName=f"shop-command-{deploy.STAGE}-sweep", Payload=b"{}")
        findings = _audit(target, progress)
    if findings.of("heads"):
        function = rebuild.RebuildFunction(target.function("rebuild"), target.actor)
        rebuild.run(function, rebuild.RebuildSource.store, progress, swap=True)
        function.ask("drop-old")
        findings = _audit(target, progress)
    return findings


def _audit(target: Target, progress: ProgressDisplay) -> Findings:
    sources, began = ShopSources.of(target, payment_url=""), time.monotonic()
    with progress.step("Agreement", "comparing DynamoDB, payments, PostgreSQL and archive") as step:
        while True:
            findings = verify.run(sources, grace_seconds=GRACE_SECONDS, wait_seconds=0, report=step.doing)
            if not _lags(findings) or time.monotonic() > began + LAG_SECONDS_MAX:
                break
        events, count = findings.examined["streams"], len(findings.differences)
        agree = f"{count:,} differences" if count else "DynamoDB, payments, PostgreSQL and archive agree"
        step.done(f"{agree}, {events:,} events")
    return findings


def _lags(findings: Findings) -> bool:
    return any(difference.check in LAGS for difference in findings.differences)
