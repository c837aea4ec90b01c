"""The request bodies, and the one way from a Lambda event to a checked body and its idempotency key."""

import base64
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from shop_command.application.request import Request
from shop_http.problem import ProblemError
from shop_http.request import Caller, correlation_id, header
from shop_shared.values import (
    BUCKETS_MAX,
    LINES_MAX,
    Category,
    Currency,
    Quantity,
    Sku,
    StockQuantity,
    UnitPriceMinor,
    Uuid,
)

BODY_BYTES_MAX: Final = 64 * 1024
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class PriceBody(Body):
    amount_minor: UnitPriceMinor
    currency: Currency


class ProductBody(Body):
    sku: Sku
    # No control characters: among them is NUL, which PostgreSQL's text can't hold.
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    description: Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")]
    price: PriceBody
    stock_buckets: Annotated[int, Field(ge=1, le=BUCKETS_MAX)] = 1
    category: Category | None = None


class RepriceBody(Body):
    price: PriceBody


class StockBody(Body):
    quantity: StockQuantity


class BucketsBody(Body):
    stock_buckets: Annotated[int, Field(ge=1, le=BUCKETS_MAX)]


class LineBody(Body):
    sku: Sku
    quantity: Quantity


def _without_duplicates(lines: list[LineBody]) -> list[LineBody]:
    if len({line.sku for line in lines}) < len(lines):
        raise PydanticCustomError("duplicate_sku", "Each sku may stand in one line only: add up its quantities")
    return lines


class ReservationBody(Body):
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX), AfterValidator(_without_duplicates)]


class PurchaseBody(Body):
    reservation_id: Uuid
    payment_method: Annotated[str, Field(pattern=r"^pm_[A-Za-z0-9_]{1,250}$", examples=["pm_card_visa"])]


Checked = TypeVar("Checked", bound=Body)


def request_of(event: Mapping[str, Any], caller: Caller) -> Request:
    key = header(event, "idempotency-key")
    if not key:
        raise ProblemError(
            400,
            "idempotency-key-required",
            "Idempotency-Key required",
            "Send an Idempotency-Key header: a new random value for each purpose, the same one for a repeat.",
        )
    if not _KEY.fullmatch(key):
        raise ProblemError(
            400,
            "idempotency-key-malformed",
            "Idempotency-Key malformed",
            "Send an Idempotency-Key of 1 to 255 visible ASCII characters, without spaces; a UUID is a good choice.",
        )
    return Request(caller.subject, key, event["requestContext"]["requestId"], correlation_id(event))


def keyless_request_of(event: Mapping[str, Any], caller: Caller) -> Request:
    """Reads the request of a command that does no more when it is sent again."""
    return Request(caller.subject, "", event["requestContext"]["requestId"], correlation_id(event))


def bytes_of(event: Mapping[str, Any]) -> bytes:
    """The body as it was sent, whatever it is. Raises a problem where it is too large."""
    # A lone surrogate is no UTF-8: let it reach the parser, which says so.
    body = (event.get("body") or "").encode(errors="surrogatepass")
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    if len(body) > BODY_BYTES_MAX:
        raise ProblemError(413, "body-too-large", "Body too large", f"Send at most {BODY_BYTES_MAX} bytes.")
    return body


def body_of(event: Mapping[str, Any], model: type[Checked]) -> Checked:
    """Raises a problem for anything but a JSON document of the right type, size and shape."""
    content_type = (header(event, "content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise ProblemError(
            415, "unsupported-media-type", "Unsupported media type", "Send the body as Content-Type: application/json."
        )
    try:
        return model.model_validate_json(bytes_of(event))
    except ValidationError as error:
        raise _refused(error) from error


def _refused(error: ValidationError) -> ProblemError:
    # The value that was sent is left out: it may be personal, and problems are logged by clients.
    causes = error.errors(include_input=False, include_url=False, include_context=False)
    if causes[0]["type"] == "json_invalid":
        detail = f"Send one well-formed JSON document in UTF-8. {causes[0]['msg']}."
        return ProblemError(400, "malformed-json", "Malformed JSON", detail)
    errors = [{"pointer": _pointer(cause["loc"]), "detail": cause["msg"]} for cause in causes]
    return ProblemError(
        422, "invalid-request", "Invalid request", "Correct the fields that `errors` points to.", errors=errors
    )


def _pointer(location: tuple[int | str, ...]) -> str:
    """https://www.rfc-editor.org/rfc/rfc6901"""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)
