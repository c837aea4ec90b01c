"""Puts the document together: routes from the resolvers, bodies from the models, the rest from the declarations.

Raises DeclarationError for a route that is not declared, and for a declaration without a route.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

import shop_command.handlers.api
import shop_query.handlers.api
from shop_http.entry import HttpFunction
from shop_http.problem import CONTENT_TYPE
from shop_openapi import commands, problems, queries
from shop_openapi.declarations import (
    RETRY_AFTER,
    AnswerShape,
    BodyShape,
    Model,
    Operation,
    Operations,
    Parameter,
    Schema,
    Who,
)
from shop_openapi.parameters import CORRELATION_ID, IDEMPOTENCY_KEY, TRACE_ID
from shop_openapi.text import DESCRIPTION, GATEWAY, TAGS

VERSION: Final = "1.0.0"
"""A breaking change of the API raises its major number, and an addition raises the minor one."""
JSON: Final = "application/json"
SCHEMES: Final = {"accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
AWS: Final = {
    "url": "https://{api}.execute-api.{region}.amazonaws.com",
    "variables": {"api": {"default": "api"}, "region": {"default": "us-east-1"}},
}
SERVED: Final = {"url": "..", "description": "Where this document came from."}
_IN_BOTH: Final = (CORRELATION_ID, TRACE_ID)
"""Every request and every answer has these headers, but the gateway's own 401."""


class DeclarationError(Exception):
    """The declarations and the code differ; only a change of one of them helps."""


class _Schemas(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - a title would only repeat the name
        return False


def whole() -> Schema:
    """Returns the document of both functions."""
    return _document({**command_operations(), **query_operations()}, AWS)


def of_commands() -> Schema:
    return _document(command_operations(), SERVED)


def of_queries() -> Schema:
    return _document(query_operations(), SERVED)


def command_operations() -> Operations:
    return _declared(shop_command.handlers.api.handler, commands.OPERATIONS)


def query_operations() -> Operations:
    return _declared(shop_query.handlers.api.handler, queries.OPERATIONS)


def routes(function: HttpFunction) -> frozenset[str]:
    """Of a resolver's own table, such as `GET /products/{sku}`."""
    table = function.routes.get_openapi_schema(title=function.service, version=VERSION).model_dump(exclude_none=True)
    return frozenset(f"{method.upper()} {path}" for path, methods in table["paths"].items() for method in methods)


def _declared(function: HttpFunction, operations: Operations) -> Operations:
    differ = routes(function) ^ operations.keys()
    if differ:
        names = ", ".join(sorted(differ))
        raise DeclarationError(f"{function.service}: declared and not there, or there and not declared: {names}")
    return operations


def _document(operations: Operations, server: Schema) -> Schema:
    paths: dict[str, Schema] = {}
    for route in sorted(operations, key=lambda route: route.split()[::-1]):
        method, path = route.split()
        paths.setdefault(path, {})[method.lower()] = _operation(operations[route])
    tags = {operation.tag for operation in operations.values()}
    slugs = sorted({slug for operation in operations.values() for slug in operation.slugs()})
    return {
        "openapi": "3.1.1",
        "info": {"title": "Shop", "version": VERSION, "description": DESCRIPTION, "license": {"name": "Apache-2.0"}},
        "servers": [server],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in tags],
        "paths": paths,
        "components": {
            "securitySchemes": SCHEMES,
            "headers": {it.name: {"description": it.description, "schema": it.schema} for it in _IN_BOTH},
            "parameters": {it.name: _parameter(it) for it in (*_IN_BOTH, IDEMPOTENCY_KEY)},
            "schemas": _schemas(operations.values(), slugs),
            "examples": {
                slug: {"value": problems.example(problems.CATALOGUE[slug], problems.CATALOGUE[slug].sample())}
                for slug in slugs
            },
        },
    }


def _operation(operation: Operation) -> Schema:
    shared = [*([IDEMPOTENCY_KEY] if operation.keyed else []), *_IN_BOTH]
    return {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "security": [] if operation.who is Who.ANYONE else [{"accessToken": []}],
        "x-who": operation.who.value,
        "parameters": [
            *(_parameter(it) for it in operation.parameters),
            *({"$ref": f"#/components/parameters/{it.name}"} for it in shared),
        ],
        **({"requestBody": _request_body(operation.body)} if operation.body else {}),
        "responses": dict(sorted([*_answers(operation.answers), *_problems(operation)])),
    }


def _parameter(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
        "example": parameter.example,
    }


def _request_body(body: BodyShape) -> Schema:
    schema = {"type": "object"} if body.model is None else _reference(body.model)
    return {"required": True, "content": {JSON: {"schema": schema, "example": body.example}}}


def _answers(answers: Iterable[AnswerShape]) -> Iterator[tuple[str, Schema]]:
    for answer in answers:
        yield str(answer.status), {"description": answer.description, **_headers(answer.headers), **_content(answer)}


def _content(answer: AnswerShape) -> Schema:
    match answer.body:
        case None:
            return {}
        case str(media_type):
            return {"content": {media_type: {"schema": {"type": "string"}, "example": answer.example}}}
        case model:
            return {"content": {JSON: {"schema": _reference(model), "example": answer.example}}}


def _problems(operation: Operation) -> Iterator[tuple[str, Schema]]:
    by_status: dict[int, list[str]] = {}
    for slug in sorted(operation.slugs()):
        by_status.setdefault(problems.CATALOGUE[slug].sample().status, []).append(slug)
    for status, slugs in by_status.items():
        yield str(status), _problem_answer(status, slugs)


def _problem_answer(status: int, slugs: list[str]) -> Schema:
    choice = [{"$ref": f"#/components/schemas/{problems.component(slug)}"} for slug in slugs]
    content: Schema = {
        CONTENT_TYPE: {
            "schema": choice[0] if len(choice) == 1 else {"oneOf": choice},
            "examples": {slug: {"$ref": f"#/components/examples/{slug}"} for slug in slugs},
        }
    }
    if status == 401:
        content[JSON] = {"schema": {"$ref": "#/components/schemas/GatewayRefusal"}, "example": GATEWAY["example"]}
    samples = [problems.CATALOGUE[slug].sample() for slug in slugs]
    retried = any("Retry-After" in sample.headers for sample in samples)
    titles = "; ".join(f"{sample.title} (`{sample.slug}`)" for sample in samples)
    gateway = "Without a valid token, by the gateway. " if status == 401 else ""
    return {
        "description": f"{gateway}{titles}.",
        **_headers(RETRY_AFTER if retried else {}, status),
        "content": content,
    }


def _headers(headers: Mapping[str, Schema], status: int = 200) -> Schema:
    """A success always has its headers, while a problem has them only with some of its slugs."""
    always = status < 400
    own = {} if status == 401 else {it.name: {"$ref": f"#/components/headers/{it.name}"} for it in _IN_BOTH}
    return {"headers": {**{name: {**it, "required": always} for name, it in headers.items()}, **own}}


def _reference(model: Model) -> Schema:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _schemas(operations: Iterable[Operation], slugs: Iterable[str]) -> Schema:
    bodies = {it.body.model for it in operations if it.body and it.body.model}
    answers = {answer.body for it in operations for answer in it.answers if isinstance(answer.body, type)}
    wanted: list[tuple[Model, JsonSchemaMode]] = [(model, "validation") for model in bodies | answers]
    wanted.sort(key=lambda it: it[0].__name__)
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}", schema_generator=_Schemas)
    models = {name: {key: it[key] for key in it if key != "title"} for name, it in found.get("$defs", {}).items()}
    refusals = {problems.component(slug): problems.schema(problems.CATALOGUE[slug]) for slug in slugs}
    return dict(sorted({**models, **refusals, "Problem": problems.BASE, "GatewayRefusal": GATEWAY["schema"]}.items()))
