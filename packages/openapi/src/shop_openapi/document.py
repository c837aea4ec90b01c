"""Makes the API's document of the routes as the functions declare them; only what no code says is written here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from inspect import getdoc
from typing import Annotated, Any, Final, cast, get_args, get_origin, get_type_hints

import shop_command.handlers.api
import shop_query.handlers.api
from shop_http import answers, route
from shop_http.body import Body, OptionalBody
from shop_http.problem import CONTENT_TYPE
from shop_http.route import Route, Who
from shop_openapi import models, problems
from shop_openapi.catalogue import CATALOGUE
from shop_openapi.schemas import INTENT, REFERENCE, Schema, components, example, reference
from shop_openapi.text import DESCRIPTION, GATEWAY, TAGS
from shop_shared import forms

VERSION: Final = "1.2.0"
"""A breaking change of the API raises its major number, and an addition raises the minor one."""
SCHEMES: Final = {"accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
AWS: Final = {
    "url": "https://{api}.execute-api.{region}.amazonaws.com",
    "variables": {"api": {"default": "api"}, "region": {"default": "us-east-1"}},
}
SERVED: Final = {"url": "..", "description": "This document came from here."}

TEXT: Final = {"type": "string"}
PATHS: Final = {
    "sku": ("It is the product's SKU.", forms.SKU),
    "reservation_id": ("The answer to placing it has this id.", forms.UUID),
    "stream_id": ("The answer to a command has this id, `product-<sku>` or `reservation-<id>`.", forms.STREAM_ID),
    "purchase_id": ("The answer to purchasing has this id, which is the reservation's.", forms.UUID),
}
REQUEST_HEADERS: Final[dict[str, tuple[str, Schema, str]]] = {
    "X-Correlation-Id": (
        "Comes back in the answer and stands in every log line and event that the request leads to. One that has other "
        "than 1 to 128 letters, digits and `._:-` is replaced by the request's own id.",
        TEXT,
        "checkout-7f3a",
    ),
    "X-Amzn-Trace-Id": (
        "The AWS X-Ray trace to go on with, and whether it is recorded. The answer has the one that it belongs to. "
        "A header with neither `Parent` nor `Sampled` is as if it had not been sent, and so is what is no such header.",
        TEXT,
        "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
    ),
    "Idempotency-Key": (
        "A new random value for each purpose, the same one for a repeat: the same key and body get the same answer and "
        "one effect, for ever. 1 to 255 visible ASCII characters, no comma: proxies join repeated headers with one, "
        "and a key with a comma is refused, although the pattern admits it. A UUIDv7 is best: its time is what the id "
        "of a reservation begins with, so that those of an hour lie beside each other in the read model.",
        {"type": "string", "pattern": f"^{route.IDEMPOTENCY_KEY}$"},
        "3f0c2a9e-7c55-4f0e-9d0e-2b6a1c7f4e11",
    ),
    "Stripe-Signature": (
        "`t=<seconds>,v1=<HMAC-SHA256 of t, a full stop and the body, under the endpoint's secret>`, at most 300 s "
        "old.",
        TEXT,
        "t=1795425600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
    ),
    "If-None-Match": (
        "The `ETag` of a copy. Where it still holds, the answer is 304 without a body.",
        TEXT,
        'W/"5f2b0c6a1d9e4f3388b7a6c5d4e3f201"',
    ),
}
_IN_BOTH: Final = ("X-Correlation-Id", "X-Amzn-Trace-Id")
"""Every request and every answer has these headers, but the gateway's own 401."""
_SHARED: Final = (*_IN_BOTH, "Idempotency-Key")
LOCATION: Final = {"Location": {"description": "This is the path of what the command changed.", "schema": TEXT}}
RETRY_AFTER: Final = {
    "Retry-After": {"description": "Ask again after so many seconds.", "schema": {"type": "integer", "minimum": 1}}
}
REPLAYED: Final = {
    "Idempotent-Replayed": {
        "description": "`true` where an earlier request with this Idempotency-Key had the effect, which this answer "
        "tells again.",
        "schema": {"type": "string", "const": "true"},
        "required": False,
    }
}
STATUS_LINK: Final = {
    "Link": {
        "description": 'Comes with `Idempotent-Replayed`: `<PATH>; rel="status"` names where the present state is.',
        "schema": TEXT,
        "required": False,
    }
}
ETAG: Final = {"ETag": {"description": "It is the tag of this very answer, for `If-None-Match`.", "schema": TEXT}}
CACHED: Final = {
    "Cache-Control": {
        "description": f"A cache that many share may give the answer again for {answers.SHARED_SECONDS} s, and for as "
        "long again while it asks anew. With `min_version`, nobody keeps it.",
        "schema": TEXT,
    }
}
POLICY: Final = {"Content-Security-Policy": {"description": "No other host is asked for anything.", "schema": TEXT}}
ANSWER_HEADERS: Final[dict[type, Schema]] = {
    answers.Done: LOCATION,
    answers.Created: LOCATION,
    answers.Accepted: {**LOCATION, **RETRY_AFTER},
    answers.Public: {**ETAG, **CACHED},
}
WEBHOOK: Final = {
    "id": "evt_1PxExample",
    "type": "payment_intent.succeeded",
    "data": {"object": {"id": INTENT, "metadata": {"reservation_id": forms.UUID.example}}},
}


@dataclass(frozen=True)
class DocumentedAnswer:
    kind: Any
    """It is one of the classes of `shop_http.answers`."""
    shows: Any
    """It is the type of a JSON document, or else the media type."""


@dataclass(frozen=True)
class Operation:
    """A route, with what its handler's signature and docstring say."""

    route: Route

    @cached_property
    def answers(self) -> tuple[DocumentedAnswer, ...]:
        """The annotation is such as `Created[Refund] | Accepted[PendingRefund]` or `Annotated[Public, "Product"]`."""
        returned = get_type_hints(self.route.handler, include_extras=True)["return"]
        kinds = (
            [returned] if get_origin(returned) in (Annotated, *ANSWER_HEADERS, answers.Receipt) else get_args(returned)
        )
        found = []
        for kind in kinds:
            first, second = (
                (get_origin(kind), get_args(kind)[0]) if get_origin(kind) is not Annotated else get_args(kind)
            )
            found.append(
                DocumentedAnswer(first, getattr(models, second, second) if isinstance(second, str) else second)
            )
        return tuple(found)

    @property
    def types(self) -> Iterator[type]:
        if self._json_body:
            yield self._json_body
        yield from (it.shows for it in self.answers if isinstance(it.shows, type))

    @property
    def slugs(self) -> frozenset[str]:
        """The problems that the declaration brings with it, and the route's own."""
        slugs = {*self.route.problems, "internal-error", "invalid-request"}
        if self.route.who is not Who.ANYONE:
            slugs.add("unauthenticated")
        if self.route.who is Who.ADMINISTRATOR:
            slugs.add("forbidden")
        if self.route.keyed:
            slugs |= {"idempotency-key-required", "idempotency-key-malformed", "idempotency-key-reused"}
        if self.route.body:
            slugs |= {"body-too-large", "unsupported-media-type"}
        if self._json_body:
            slugs.add("malformed-json")
        return frozenset(slugs)

    @property
    def _json_body(self) -> type[Body] | None:
        body = self.route.body
        return cast("type[Body]", body) if body is not None and issubclass(cast("type", body), Body) else None

    def document(self, defined: dict[str, Schema]) -> Schema:
        summary, _, description = (getdoc(self.route.handler) or "").partition("\n\n")
        first, *others = self.route.handler.__name__.split("_")
        body = {"requestBody": self._request_body(defined)} if self.route.body else {}
        return {
            "operationId": first + "".join(map(str.capitalize, others)),
            "tags": [self.route.tag],
            "summary": summary.removesuffix("."),
            "description": " ".join(description.split()),
            "security": [] if self.route.who is Who.ANYONE else [{"accessToken": []}],
            "x-who": self.route.who.value,
            "parameters": list(self._parameters()),
            **body,
            "responses": dict(sorted([*self._answers(defined), *self._problems()])),
        }

    def _parameters(self) -> Iterator[Schema]:
        for name in (part[1:-1] for part in self.route.path.split("/") if part.startswith("{")):
            description, form = PATHS[name]
            schema = {"type": "string", "pattern": form.anchored}
            yield _parameter(name, "path", description, schema, form.example, required=True)
        for it in self.route.query or ():
            yield _parameter(it.name, "query", it.description, dict(it.schema), it.example)
        if any(it.kind is answers.Public for it in self.answers):
            yield _header("If-None-Match")
        if self.route.body and not self._json_body:
            yield _header("Stripe-Signature", required=True)
        for name in (*(["Idempotency-Key"] if self.route.keyed else []), *_IN_BOTH):
            yield {"$ref": f"#/components/parameters/{name}"}

    def _request_body(self, defined: dict[str, Schema]) -> Schema:
        model = self._json_body
        schema = reference(model) if model else {"type": "object"}
        shown = example(schema, defined) if model else WEBHOOK
        is_required = model is None or not issubclass(model, OptionalBody)
        return {"required": is_required, "content": {"application/json": {"schema": schema, "example": shown}}}

    def _answers(self, defined: dict[str, Schema]) -> Iterator[tuple[str, Schema]]:
        for it in self.answers:
            if isinstance(it.shows, str):
                content = {it.shows: {"schema": TEXT, "example": "<!doctype html>…"}}
                yield "200", {"description": "This is a page.", **_headers(POLICY), "content": content}
                continue
            schema = reference(it.shows)
            content = {"application/json": {"schema": schema, "example": example(schema, defined)}}
            replayed = {**REPLAYED, **STATUS_LINK} if self.route.keyed else {}
            headers = _headers({**ANSWER_HEADERS.get(it.kind, {}), **replayed})
            yield str(it.kind.STATUS), {"description": getdoc(it.shows), **headers, "content": content}
            if it.kind is answers.Public:
                yield (
                    "304",
                    {"description": "The copy that `If-None-Match` names still holds.", **_headers({**ETAG, **CACHED})},
                )

    def _problems(self) -> Iterator[tuple[str, Schema]]:
        by_status: dict[int, list[str]] = {}
        for slug in sorted(self.slugs):
            by_status.setdefault(CATALOGUE[slug].sample.status, []).append(slug)
        for status, slugs in by_status.items():
            yield str(status), _problem_answer(status, slugs, REPLAYED if "card-declined" in slugs else {})


def whole() -> Schema:
    """Returns the document of both functions."""
    return _document([*command_operations(), *query_operations()], AWS)


def of_commands() -> Schema:
    return _document(command_operations(), SERVED)


def of_queries() -> Schema:
    return _document(query_operations(), SERVED)


def command_operations() -> list[Operation]:
    return [Operation(it) for it in shop_command.handlers.api.handler.declared]


def query_operations() -> list[Operation]:
    return [Operation(it) for it in shop_query.handlers.api.handler.declared]


def _document(operations: list[Operation], server: Schema) -> Schema:
    models_ = components(it for operation in operations for it in operation.types)
    paths: dict[str, Schema] = {}
    for operation in sorted(operations, key=lambda it: (it.route.path, it.route.method)):
        paths.setdefault(operation.route.path, {})[operation.route.method.lower()] = operation.document(models_)
    tags = {operation.route.tag for operation in operations}
    shown = [CATALOGUE[slug] for slug in sorted({slug for operation in operations for slug in operation.slugs})]
    others = {"Problem": problems.BASE, "GatewayRefusal": GATEWAY["schema"]}
    return {
        "openapi": "3.1.1",
        "info": {"title": "Shop", "version": VERSION, "description": DESCRIPTION, "license": {"name": "Apache-2.0"}},
        "servers": [server],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in tags],
        "paths": paths,
        "components": {
            "securitySchemes": SCHEMES,
            "headers": {
                it: {"description": REQUEST_HEADERS[it][0], "schema": REQUEST_HEADERS[it][1]} for it in _IN_BOTH
            },
            "parameters": {it: _header(it, required=it not in _IN_BOTH) for it in _SHARED},
            "schemas": dict(sorted({**models_, **{it.component: it.schema() for it in shown}, **others}.items())),
            "examples": {it.slug: {"value": it.example()} for it in shown},
        },
    }


def _header(name: str, *, required: bool = False) -> Schema:
    description, schema, shown = REQUEST_HEADERS[name]
    return _parameter(name, "header", description, schema, shown, required=required)


def _parameter(
    name: str, place: str, description: str, schema: Schema, shown: object, *, required: bool = False
) -> Schema:
    # By default, a list in a query string repeats its parameter.
    joined = {"style": "form", "explode": False} if schema.get("type") == "array" else {}
    return {
        "name": name,
        "in": place,
        "required": required,
        **joined,
        "description": description,
        "schema": schema,
        "example": shown,
    }


def _problem_answer(status: int, slugs: Iterable[str], own: Schema) -> Schema:
    found = [CATALOGUE[slug] for slug in slugs]
    choice = [{"$ref": REFERENCE + it.component} for it in found]
    content: Schema = {
        CONTENT_TYPE: {
            "schema": choice[0] if len(choice) == 1 else {"oneOf": choice},
            "examples": {slug: {"$ref": f"#/components/examples/{slug}"} for slug in slugs},
        }
    }
    if status == 401:
        content["application/json"] = {
            "schema": {"$ref": REFERENCE + "GatewayRefusal"},
            "example": GATEWAY["example"],
        }
    retried = any("Retry-After" in it.sample.headers for it in found)
    titles = "; ".join(f"{it.sample.title} (`{it.slug}`)" for it in found)
    gateway = "The gateway answers so without a valid token. " if status == 401 else ""
    headers = _headers({**(RETRY_AFTER if retried else {}), **own}, status)
    return {"description": f"{gateway}{titles}.", **headers, "content": content}


def _headers(headers: Schema, status: int = 200) -> Schema:
    """A success always has its headers, while a problem has them only with some of its slugs."""
    always = status < 400
    own = {} if status == 401 else {it: {"$ref": f"#/components/headers/{it}"} for it in _IN_BOTH}
    return {"headers": {**{name: {"required": always, **it} for name, it in headers.items()}, **own}}
