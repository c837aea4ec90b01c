"""Writes the columns and partitions of the archive's table in Glue, from the envelope's attributes and the event types.

The file lies in infra/, whose fragments include it. This module never calls Glue.
"""

import json
import sys
from typing import Any, Final

from shop_shared.envelope import Envelope
from shop_shared.generated import write
from shop_shared.registry import EVENT_TYPES

PARTITION: Final = "type"
"""This attribute is part of an object's path, so the objects themselves have no such column."""
_COMMENTS: Final = {
    "id": "Count by it: an event may be archived twice",
    "subject": "The stream that the event belongs to",
    "time": "ISO 8601, in UTC",
    "data": "JSON text, for json_extract",
}
INT_MAX: Final = 2**31 - 1


def catalog() -> dict[str, Any]:
    properties = Envelope.model_json_schema()["properties"]
    return {
        "columns": [_column(name, schema) for name, schema in properties.items() if name != PARTITION],
        "types": ",".join(EVENT_TYPES),
    }


def _column(name: str, schema: dict[str, Any]) -> dict[str, str]:
    comment = {"Comment": _COMMENTS[name]} if name in _COMMENTS else {}
    return {"Name": name, "Type": _hive_type(schema), **comment}


def _hive_type(schema: dict[str, Any]) -> str:
    """Maps integers alone to a number. A time stays text, exact to the microsecond; an object becomes JSON text."""
    if schema.get("type") != "integer":
        return "string"
    return "int" if schema.get("maximum", INT_MAX + 1) <= INT_MAX else "bigint"


if __name__ == "__main__":
    sys.exit(write("shop_shared.catalog", __doc__, json.dumps(catalog(), indent=2) + "\n"))
