"""A handler's return type is one of these answers: it names the status, the headers and the document."""

import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

JSON: Final = "application/json"
RETRY_SECONDS: Final = 2
"""A caller who asks later than this finds a command settled, as a rule."""
SHARED_SECONDS: Final = 5
# https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.10 https://www.rfc-editor.org/rfc/rfc5861#section-3
ANYBODY_SHOWS: Final = f"public, max-age=0, s-maxage={SHARED_SECONDS}, stale-while-revalidate={SHARED_SECONDS}"
NOBODY_KEEPS: Final = "private, no-store"
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')

Document = TypeVar("Document", bound=Mapping[str, Any])


class HttpAnswer:
    """`body` is a text, or Base64 of what is sent."""

    def __init__(
        self, status: int, media_type: str | None, body: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.status = status
        self.body = body
        self.is_base64 = False
        self.headers = {**headers, "Content-Type": media_type} if media_type else {**headers}

    def payload(self) -> dict[str, Any]:
        """Returns it as an HTTP API takes it from a function (payload format 2.0).
        https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
        """
        return {
            "statusCode": self.status,
            "headers": self.headers,
            "body": self.body,
            "isBase64Encoded": self.is_base64,
        }


class Done(HttpAnswer, Generic[Document]):
    """The command has its effect. `location` is the path of the thing that it changed."""

    STATUS = 200

    def __init__(
        self, document: Document, location: str, retry_after: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        text = json.dumps(document, ensure_ascii=False, default=_as_json)
        headers = {"Location": location, "Cache-Control": "no-store", **retry_after}
        super().__init__(self.STATUS, JSON, text, headers)


class Created(Done[Document]):
    STATUS = 201


class Accepted(Done[Document]):
    """The command's outcome is not known yet."""

    STATUS = 202

    def __init__(self, document: Document, location: str) -> None:
        super().__init__(document, location, {"Retry-After": str(RETRY_SECONDS)})


class Receipt(HttpAnswer, Generic[Document]):
    """The request has arrived, which is all that its sender needs to know."""

    STATUS = 200

    def __init__(self, document: Document) -> None:
        super().__init__(self.STATUS, JSON, json.dumps(document), {"Cache-Control": "no-store"})


class Private(HttpAnswer):
    """The JSON belongs to its caller: nobody keeps a copy."""

    STATUS = 200

    def __init__(self, text: str) -> None:
        super().__init__(self.STATUS, JSON, text, {"Cache-Control": NOBODY_KEEPS})


class Public(HttpAnswer):
    """The JSON is the same for everyone. Caches that many share may give it again for SHARED_SECONDS, and as long again
    while they ask anew, but with `shared=False`. An ETag shows whether a client's copy still holds.

    The tag is weak, because two answers with the same tag have the same document, and one may be compressed.
    https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
    """

    STATUS = 200

    def __init__(self, text: str, if_none_match: str | None, *, shared: bool = True) -> None:
        tag = etag(text)
        headers = {"Cache-Control": ANYBODY_SHOWS if shared else NOBODY_KEEPS, "ETag": tag}
        if etag_matches(tag, if_none_match):
            super().__init__(304, None, "", headers)
        else:
            super().__init__(self.STATUS, JSON, text, headers)


class File(HttpAnswer):
    """A file of the artifact describes the API."""

    STATUS = 200

    def __init__(self, path: Path, media_type: str = JSON, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        text = path.read_text(encoding="utf-8")
        super().__init__(self.STATUS, media_type, text, {"Cache-Control": "public, max-age=300", **headers})


def etag(text: str) -> str:
    return f'W/"{blake2b(text.encode(), digest_size=16).hexdigest()}"'


def etag_matches(tag: str, if_none_match: str | None) -> bool:
    """If-None-Match asks for the weak comparison, in which a tag that is marked as weak equals one that is not."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(if_none_match)


def _as_json(value: Any) -> Any:
    """Events have values, such as a price, that are models of pydantic."""
    return value.model_dump(mode="json")
