"""Reads a request's body. This module needs pydantic; a function without bodies does not import it."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from shop_http.problem import ProblemError, invalid_request
from shop_http.request import header

BODY_BYTES_MAX: Final = 64 * 1024


class Body(BaseModel):
    """A route's JSON body has exactly these fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> Self:
        """Raises a problem for anything but a JSON document of the right type, size and shape."""
        _require_json(event)
        content = body_bytes(event)
        try:
            body = cls.model_validate_json(content)
        except ValidationError as error:
            raise _refused(error) from error
        _STRICT.decode(content.decode())
        return body

    def content(self) -> Mapping[str, Any]:
        """A field with its default is left out, as if the client did not know it."""
        return self.model_dump(mode="json", exclude_defaults=True)


class OptionalBody(Body):
    """It may be left out, and then has the defaults of all fields."""

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> Self:
        return super().read(event) if event.get("body") else cls()


class RawBody(bytes):
    """The route takes the body as it was sent, because a signature covers it."""

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> Self:
        _require_json(event)
        return cls(body_bytes(event))

    def content(self) -> Mapping[str, Any]:
        """It is not read here, so nothing is known of it."""
        return {}


def _require_json(event: Mapping[str, Any]) -> None:
    content_type = (header(event, "content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        detail = "Send the body as Content-Type: application/json."
        raise ProblemError(415, "unsupported-media-type", "Unsupported media type", detail)


def body_bytes(event: Mapping[str, Any]) -> bytes:
    """Raises a problem where the body is too large."""
    # A lone surrogate is no UTF-8: let it reach the parser, which says so.
    body = (event.get("body") or "").encode(errors="surrogatepass")
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    if len(body) > BODY_BYTES_MAX:
        raise ProblemError(413, "body-too-large", "Body too large", f"Send at most {BODY_BYTES_MAX} bytes.")
    return body


def _without_repeats(members: list[tuple[str, Any]]) -> None:
    # The model has accepted the document, so every name is one of its own.
    names = [name for name, _ in members]
    for name in names if len(set(names)) < len(names) else ():
        if names.count(name) > 1:
            raise _malformed(f"The member `{name}` stands twice in one object")


def _not_a_number(constant: str) -> None:
    raise _malformed(f"{constant} is no JSON")


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_not_a_number)
"""Readers of JSON differ in which of two equal members they take, and pydantic's takes the last one without a word:
such a document is refused, as I-JSON asks. It costs 3 µs for a reservation of three lines.
https://www.rfc-editor.org/rfc/rfc7493#section-2.3"""


def _malformed(cause: str) -> ProblemError:
    detail = f"Send one well-formed JSON document in UTF-8. {cause}."
    return ProblemError(400, "malformed-json", "Malformed JSON", detail)


def _refused(error: ValidationError) -> ProblemError:
    # The value that was sent is left out: it may be personal, and problems are logged by clients.
    causes = error.errors(include_input=False, include_url=False, include_context=False)
    if causes[0]["type"] == "json_invalid":
        return _malformed(causes[0]["msg"])
    errors = [{"pointer": _pointer(cause["loc"]), "detail": cause["msg"]} for cause in causes]
    return invalid_request("Correct the fields that `errors` points to.", errors)


def _pointer(location: tuple[int | str, ...]) -> str:
    """https://www.rfc-editor.org/rfc/rfc6901"""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)
