"""Writes the JSON Schemas of the envelope and of every event type: `python -m shop_shared.schemas FOLDER [--check]`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from shop_shared.envelope import Envelope
from shop_shared.registry import EVENT_TYPES, SCHEMA_BASE, dataschema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """File name to schema, as readers hold them: open to fields that they do not know."""
    documents = {
        f"{model.TYPE}.json": {"$schema": DIALECT, "$id": dataschema(model), **model.model_json_schema()}
        for model in EVENT_TYPES.values()
    }
    envelope = Envelope.model_json_schema()
    return {"envelope.json": {"$schema": DIALECT, "$id": f"{SCHEMA_BASE}/envelope/1.0", **envelope}, **documents}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shop_shared.schemas", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the schemas lie")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the folder differs")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    wanted = {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas().items()}
    present = {path.name: path.read_text() for path in sorted(folder.glob("*.json"))}
    drifted = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if arguments.check:
        for name in drifted:
            print(f"{folder / name} differs from the code; run `make schemas`", file=sys.stderr)
        return 1 if drifted else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name in drifted:
        if name in wanted:
            (folder / name).write_text(wanted[name])
        else:
            (folder / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
