"""Looks at a shop until it is clean, or what differs has been seen again after a while."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from shop_cli.operations.verify.audit import Audit, Sources
from shop_cli.operations.verify.findings import Findings

AGAIN_AFTER_SECONDS: Final = 1.0


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
