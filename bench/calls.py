"""Writes `calls.json`: what one sale calls, in a row and beside, what it writes and reads, and its events' sizes.

A test of shop-command counts the same and compares. `python -m bench.calls` writes the file after a change.
"""

import json
from pathlib import Path
from typing import Final

from shop_command.testing.calls import counted
from shop_observability.testing import invoked_before

COUNTED: Final = Path(__file__).with_name("calls.json")


def main() -> None:
    with invoked_before("shop-command"):
        COUNTED.write_text(json.dumps(counted(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
