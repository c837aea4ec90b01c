"""Writes the JSON Schemas of the envelope and of every event type, and a page that lists them."""

import argparse
import inspect
import json
import sys
from pathlib import Path
from typing import Any

from shop_shared.envelope import Envelope
from shop_shared.events import EventData
from shop_shared.registry import EVENT_TYPES, SCHEMA_BASE, dataschema

_HEAD = """# Events

Made by `make schemas` from `packages/shared`; do not edit. Each stands in a CloudEvents 1.0 envelope
([schema](../packages/shared/schemas/envelope.json)).

"""
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """Returns each file's name and schema, which is open because readers accept fields that they do not know."""
    documents = {
        f"{model.TYPE}.json": {"$schema": DIALECT, "$id": dataschema(model), **model.model_json_schema()}
        for model in EVENT_TYPES.values()
    }
    envelope = Envelope.model_json_schema()
    return {"envelope.json": {"$schema": DIALECT, "$id": f"{SCHEMA_BASE}/envelope/1.1", **envelope}, **documents}


def document() -> str:
    """Returns a Markdown page of the event types. It is made from the models, so that it cannot drift from them."""
    return _HEAD + "\n".join(_section(model) for model in EVENT_TYPES.values())


def _section(model: type[EventData]) -> str:
    description = f"{inspect.cleandoc(model.__doc__)}\n\n" if model.__doc__ else ""
    rows = "".join(
        f"| `{name}` | {_type_name(schema)} | {'yes' if field.is_required() else 'no'} |\n"
        for (name, field), schema in zip(
            model.model_fields.items(), model.model_json_schema()["properties"].values(), strict=True
        )
    )
    link = f"[schema](../packages/shared/schemas/{model.TYPE}.json)"
    table = f"| field | type | required |\n|---|---|---|\n{rows}"
    return f"## `{model.TYPE}`\n\n{description}Version {model.SCHEMA_VERSION}, {link}.\n\n{table}"


def _type_name(schema: dict[str, Any]) -> str:
    match schema:
        case {"anyOf": [first, *_]}:
            return _type_name(first)
        case {"$ref": str(reference)}:
            return reference.rsplit("/", 1)[-1]
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type_name(items)}"
        case {"format": str(name)}:
            return name
        case {"const": value}:
            return f"`{value}`"
        case {"enum": [*values]}:
            return " or ".join(f"`{value}`" for value in values)
        case _:
            return str(schema["type"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shop_shared.schemas", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the schemas lie")
    parser.add_argument("--document", type=Path, help="the Markdown page of the event types")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    wanted = {folder / name: json.dumps(schema, indent=2) + "\n" for name, schema in schemas().items()}
    present = {path: path.read_text() for path in folder.glob("*.json")}
    if arguments.document:
        wanted[arguments.document] = document()
        present |= {arguments.document: arguments.document.read_text()} if arguments.document.exists() else {}
    drifted = sorted(path for path in wanted.keys() | present.keys() if wanted.get(path) != present.get(path))
    if arguments.check:
        for path in drifted:
            print(f"{path} differs from the code; run `make schemas`", file=sys.stderr)
        return 1 if drifted else 0
    for path in drifted:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
