"""This is the command line of each module that writes one file from the event types."""

import argparse
import sys
from pathlib import Path


def write(module: str, description: str | None, wanted: str) -> int:
    """Writes the file that the command line names, or with --check only compares it. Returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("file", type=Path, help="where it lies")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file differs")
    arguments = parser.parse_args()
    file: Path = arguments.file
    if (file.read_text() if file.exists() else "") == wanted:
        return 0
    if arguments.check:
        print(f"{file} differs from the code; run `make schemas`", file=sys.stderr)
        return 1
    file.write_text(wanted)
    return 0
