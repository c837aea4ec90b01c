"""The parameters that several routes share."""

from typing import Any, Final

from pydantic import TypeAdapter

from shop_openapi.declarations import Parameter, Schema
from shop_shared.values import Category, Currency, Sku, Uuid

UUID_EXAMPLE: Final = "6f1c8a52-3d0e-5b7a-9c44-e2d1f0a98b37"


def _form(value: Any) -> Schema:
    schema = TypeAdapter(value).json_schema()
    return {"type": schema["type"], "pattern": schema["pattern"]}


SKU_FORM: Final = _form(Sku)
UUID_FORM: Final = _form(Uuid)
CATEGORY_FORM: Final = _form(Category)
CURRENCY_FORM: Final = _form(Currency)


SKU_IN_PATH: Final = Parameter("sku", "path", "The product's.", SKU_FORM, "MUG-BLUE", required=True)
RESERVATION_IN_PATH: Final = Parameter(
    "reservation_id", "path", "As placing it answered.", UUID_FORM, UUID_EXAMPLE, required=True
)
PURCHASE_IN_PATH: Final = Parameter(
    "purchase_id", "path", "As purchasing answered; it is the reservation's id.", UUID_FORM, UUID_EXAMPLE, required=True
)
CORRELATION_ID: Final = Parameter(
    "X-Correlation-Id",
    "header",
    "Comes back in the answer and stands in every log line and event that the request leads to. One that has other "
    "than 1 to 128 letters, digits and `._:-` is replaced by the request's own id.",
    {"type": "string"},
    "checkout-7f3a",
)
TRACE_ID: Final = Parameter(
    "X-Amzn-Trace-Id",
    "header",
    "The AWS X-Ray trace to go on with, and whether it is recorded. The answer has the one that it belongs to. "
    "What is no such header is as if it had not been sent.",
    {"type": "string"},
    "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
)
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    "header",
    "A new random value for each purpose, the same one for a repeat: the same key and body get the same answer and "
    "one effect, for ever. 1 to 255 visible ASCII characters.",
    {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
    "3f0c2a9e-7c55-4f0e-9d0e-2b6a1c7f4e11",
    required=True,
)
STRIPE_SIGNATURE: Final = Parameter(
    "Stripe-Signature",
    "header",
    "`t=<seconds>,v1=<HMAC-SHA256 of t, a full stop and the body, under the endpoint's secret>`, at most 300 s old.",
    {"type": "string"},
    "t=1795425600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
    required=True,
)
IF_NONE_MATCH: Final = Parameter(
    "If-None-Match",
    "header",
    "The `ETag` of a copy. Where it still holds, the answer is 304 without a body.",
    {"type": "string"},
    '"5f2b0c6a1d9e4f3388b7a6c5d4e3f201"',
)
