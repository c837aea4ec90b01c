"""A stage of the emulator goes nowhere else, and every other stage to AWS. config/endpoint.js says the same to osls."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from shop_cli.errors import ShopError
from shop_cli.stage import SETTINGS

ON_THIS_MACHINE = re.compile(r"https?://(127\.|localhost([:/]|$)|\[::1\])")


def is_emulated(stage: str) -> bool:
    return stage in SETTINGS["emulated"]


def check_endpoint(stage: str, variables: Mapping[str, str] = os.environ) -> None:
    """Raises ShopError in a shell that `shop env` points to this machine, or for the rehearsal in any other."""
    local = [
        name
        for name, value in variables.items()
        if name.startswith("AWS_ENDPOINT_URL") and ON_THIS_MACHINE.match(value)
    ]
    if is_emulated(stage):
        if "AWS_ENDPOINT_URL" not in local:
            raise ShopError(f"stage {stage} goes to the emulator only, and AWS_ENDPOINT_URL does not point to it")
    elif local:
        name = min(local)
        raise ShopError(
            f'stage {stage} goes to AWS, and {name} is {variables[name]}. Run eval "$(./shop env --unset)" first'
        )
