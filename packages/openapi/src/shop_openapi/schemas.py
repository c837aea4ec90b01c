"""JSON Schemas: of what a handler's types declare, of a sample, and an example of each."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from shop_shared import forms

Schema = dict[str, Any]
REFERENCE: Final = "#/components/schemas/"
INTENT: Final = "pi_3PxExample0000000000000001"
IMAGE: Final = {
    "path": forms.MEDIA_PATH.example,
    "width": 960,
    "height": 720,
    "alt": "A blue mug on a wooden table",
}
EXAMPLES: Final[Mapping[str, Any]] = {
    "sku": forms.SKU.example,
    "name": "Blue mug",
    "description": "Holds 300 ml.",
    "category": forms.CATEGORY.example,
    "currency": forms.CURRENCY.example,
    "amount_minor": 1250,
    "total": {"amount_minor": 2500, "currency": forms.CURRENCY.example},
    "unit_price_minor": 1250,
    "quantity": 2,
    "available": 98,
    "products": 12,
    "stock_buckets": 8,
    "moved": 50,
    "quantity_change": -2,
    **IMAGE,
    "image": IMAGE,
    "units": 2,
    "reservation_id": forms.UUID.example,
    "purchase_id": forms.UUID.example,
    "stream_id": f"reservation-{forms.UUID.example}",
    "payment_intent_id": INTENT,
    "refund_id": "re_3PxExample0000000000000001",
    "reason": "requested_by_customer",
    "refunded_at": "2026-11-24T10:12:41.300000Z",
    "dispute": {
        "dispute_id": "du_3PxExample0000000000000001",
        "status": "won",
        "amount": {"amount_minor": 2500, "currency": forms.CURRENCY.example},
        "reason": "fraudulent",
        "opened_at": "2026-11-25T08:30:00.000000Z",
        "closed_at": "2026-12-09T16:45:12.000000Z",
    },
    "payment_method": "pm_card_visa",
    "placed_at": "2026-11-23T09:29:06.821000Z",
    "purchased_at": "2026-11-23T09:29:06.941000Z",
    "expires_at": "2026-11-23T09:44:06.821000Z",
    "day": "2026-11-23",
    "time": "2026-11-23T09:29:06.941000Z",
    "next_cursor": "dGhpcyBpcyBvcGFxdWU",
    "openapi": "3.1.1",
    "timeline": [
        {"type": "placed", "time": "2026-11-23T09:29:06.821000Z", "stream_version": 1},
        {"type": "payment-requested", "time": "2026-11-23T09:29:06.913000Z", "stream_version": 2},
        {"type": "purchased", "time": "2026-11-23T09:29:06.941000Z", "stream_version": 3},
    ],
}
"""A field of this name is shown with this value, wherever its schema allows it."""


class _Schemas(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - a title would only repeat the name
        return False


def components(types: Iterable[type]) -> dict[str, Schema]:
    """Returns the schemas of models and typed dictionaries, and of what they consist of, by name."""
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (it.__name__, "validation", TypeAdapter(it)) for it in sorted(set(types), key=lambda it: it.__name__)
    ]
    _, found = TypeAdapter.json_schemas(inputs, ref_template=REFERENCE + "{model}", schema_generator=_Schemas)
    return {name: {key: it[key] for key in it if key != "title"} for name, it in found.get("$defs", {}).items()}


def reference(of: type) -> Schema:
    return {"$ref": REFERENCE + of.__name__}


def example(schema: Schema, defined: Mapping[str, Schema], name: str = "") -> Any:
    """Makes a document that the schema describes."""
    if "$ref" in schema:
        schema = defined[schema["$ref"].removeprefix(REFERENCE)]
    if "const" in schema:
        return schema["const"]
    if name in EXAMPLES and _allows(schema, EXAMPLES[name]):
        return EXAMPLES[name]
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            document = {key: example(it, defined, key) for key, it in schema["properties"].items()}
            if {"sku", "stream_id"} <= document.keys():
                document["stream_id"] = f"product-{document['sku']}"
            return document
        case "array":
            return [example(schema["items"], defined)]
        case "integer":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            raise LookupError(f"There is no example of {name or schema}; add one to EXAMPLES")


def _allows(schema: Schema, value: Any) -> bool:
    if value not in schema.get("enum", [value]):
        return False
    return "anyOf" in schema or schema.get("type") == schema_of(value)["type"]


def schema_of(value: Any) -> Schema:
    """Describes documents like this one."""
    match value:
        case str():
            return {"type": "string"}
        case int():
            return {"type": "integer"}
        case [first, *_]:
            return {"type": "array", "minItems": 1, "items": schema_of(first)}
        case dict():
            properties = {name: schema_of(it) for name, it in value.items()}
            return {"type": "object", "properties": properties, "required": list(properties)}
        case _:
            raise TypeError(value)
