"""Runs the deploy tool in a function's folder, for a stage on AWS or for the shop on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from shop_cli.errors import ShopError
from shop_cli.operations.releases.history import Service
from shop_cli.target import Target

CHECKOUT: Final = Path(__file__).resolve().parents[6]
TOOL: Final = CHECKOUT / "node_modules" / ".bin" / "serverless"
SECONDS_MAX: Final = 3_600
"""CloudFormation gives most resources less time than this."""


def osls(target: Target, service: Service, *arguments: str) -> None:
    """Raises ShopError with what the tool says if it fails."""
    done = subprocess.run(
        [str(TOOL), *arguments, "--stage", target.stage],
        cwd=CHECKOUT / "functions" / service,
        env={**target.tool_environment, "NODE_NO_WARNINGS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        shown = done.stdout + done.stderr
        _, _, reason = shown.partition("\nError:\n")
        raise ShopError(f"serverless {' '.join(arguments)} failed for {service}: {(reason or shown).strip()}")
