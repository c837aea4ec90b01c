"""The document says what the code does: its routes, who may use them, what they take and answer."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import shop_command.handlers.api
import shop_query.handlers.api
from shop_http.body import Body
from shop_http.entry import HttpFunction
from shop_http.route import Route, Who, unnamed
from shop_openapi import document

CHECKOUT = Path(__file__).parents[3]
WHOLE = document.whole()
ROUTES = [
    (f"{method.upper()} {path}", it) for path, methods in WHOLE["paths"].items() for method, it in methods.items()
]
COMMAND, QUERY = shop_command.handlers.api.handler, shop_query.handlers.api.handler
DECLARED = [(route, function) for function in (COMMAND, QUERY) for route in function.declared]
every_route = pytest.mark.parametrize(("route", "function"), DECLARED, ids=[route.name for route, _ in DECLARED])


CLAIMS: dict[str, dict[str, str] | None] = {
    "nobody": None,
    "customer": {"sub": "customer", "token_use": "access"},
    "administrator": {"sub": "admin", "token_use": "access", "iat": "1795424400", "cognito:groups": "[admin]"},
    "administrator of the past": {"sub": "admin", "token_use": "access", "iat": "1", "cognito:groups": "[admin]"},
    "id token": {"sub": "admin", "token_use": "id", "iat": "1795424400", "cognito:groups": "[admin]"},
}


class Context:
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 20_000


def resolved(schema: Any) -> Any:
    while "$ref" in schema:
        found: Any = WHOLE
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def asked(function: HttpFunction, route: str, claims: dict[str, str] | None, **more: Any) -> dict[str, Any]:
    method, path = re.sub(r"\{[^}]+\}", "X", route).split()
    authorizer = {} if claims is None else {"authorizer": {"jwt": {"claims": claims}}}
    times = {"timeEpoch": 1_795_424_400_000}
    http = {"method": method, "path": path}
    context = {"http": http, "requestId": "request", "stage": "$default", **times, **authorizer}
    event = {"version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "", "headers": {}, **more}
    event |= {"requestContext": context, "pathParameters": dict.fromkeys(re.findall(r"\{([^}]+)\}", route), "X")}
    return function(event, Context())


def test_it_is_openapi_3_1() -> None:
    for it in (WHOLE, document.of_commands(), document.of_queries()):
        assert list(OpenAPIV31SpecValidator(it).iter_errors()) == []


def test_each_functions_part_is_in_the_whole() -> None:
    parts = [document.of_commands()["paths"], document.of_queries()["paths"]]
    merged = {path: {**parts[0].get(path, {}), **parts[1].get(path, {})} for path in WHOLE["paths"]}
    assert merged == WHOLE["paths"]


def test_its_routes_are_the_gateways_with_the_same_authorizers() -> None:
    deployed = {}
    for function in ("shop-command", "shop-query"):
        stack = yaml.safe_load((CHECKOUT / "functions" / function / "serverless.yml").read_text())
        events = [it["httpApi"] for it in stack["functions"]["api"]["events"]]
        for event in events:
            if event != "*":
                deployed[unnamed(f"{event['method']} {event['path']}")] = "authorizer" in event
    documented = {unnamed(route): bool(it["security"]) for route, it in ROUTES}
    heads = {it.replace("GET", "HEAD"): secured for it, secured in documented.items() if it.startswith("GET ")}
    assert documented | heads == deployed


@every_route
def test_the_code_lets_in_whom_the_declaration_names(route: Route, function: HttpFunction) -> None:
    answers = {who: asked(function, route.name, claims) for who, claims in CLAIMS.items()}
    statuses = {who: answer["statusCode"] for who, answer in answers.items()}
    assert (statuses["nobody"] == 401) == (statuses["id token"] == 401) == (route.who is not Who.ANYONE)
    assert (statuses["administrator of the past"] == 401) == (route.who is Who.ADMINISTRATOR)
    assert (statuses["customer"] == 403) == (route.who is Who.ADMINISTRATOR)
    assert statuses["administrator"] not in (401, 403)


@pytest.mark.parametrize("who", CLAIMS)
@pytest.mark.parametrize(
    ("route", "function"), [it for it in DECLARED if it[0].method == "GET"], ids=lambda it: getattr(it, "name", "")
)
def test_head_is_answered_as_get_is_but_without_a_body(route: Route, function: HttpFunction, who: str) -> None:
    headers = {"accept-encoding": "gzip"}
    got = asked(function, route.name, CLAIMS[who], headers=headers)
    answer = asked(function, f"HEAD {route.path}", CLAIMS[who], headers=headers)
    assert answer == got | {"body": "", "isBase64Encoded": False}


@every_route
def test_a_route_asks_for_a_key_where_its_declaration_does(route: Route, function: HttpFunction) -> None:
    answer = asked(function, route.name, CLAIMS["administrator"])
    refused = answer["statusCode"] == 400 and "idempotency-key-required" in answer["body"]
    assert refused == route.keyed


@every_route
def test_a_route_takes_its_query_parameters_and_no_others(route: Route, function: HttpFunction) -> None:
    unknown = {"queryStringParameters": {"no-such-parameter": "1"}, "headers": {"idempotency-key": "key-1"}}
    answer = asked(function, route.name, CLAIMS["administrator"], **unknown)
    if route.query is None:
        assert answer["statusCode"] == 200
        return
    assert answer["statusCode"] == 422
    [allowed] = re.findall(r"Allowed: (.*?)\.", answer["body"])
    assert allowed == (", ".join(it.name for it in route.query) or "none")


def sent(function: HttpFunction, route: Route, body: str, content_type: str = "application/json") -> tuple[int, str]:
    headers = {"idempotency-key": "key-1", "content-type": content_type}
    answer = asked(function, route.name, CLAIMS["administrator"], headers=headers, body=body)
    return answer["statusCode"], str(json.loads(answer["body"])["type"]).rpartition("/")[2]


@every_route
def test_a_route_refuses_what_it_does_not_read(route: Route, function: HttpFunction) -> None:
    """Nothing that the requests name exists, so a request that got as far as that would be answered otherwise."""
    if route.body is None:
        assert {sent(function, route, text) for text in ("{}", "x", " ")} == {(422, "invalid-request")}
        return
    [documented] = [operation for name, operation in ROUTES if name == route.name]
    example = documented["requestBody"]["content"]["application/json"]["example"]
    text = json.dumps(example)
    assert sent(function, route, text, "text/plain") == (415, "unsupported-media-type")
    if not issubclass(route.body, Body):  # a signature covers the other one as a whole
        return
    assert sent(function, route, json.dumps({**example, "no_such_field": 1})) == (422, "invalid-request")
    [*members] = re.finditer(r'"\w+": (?=[^{[])[^,}\]]+', text)
    for member in members:
        repeated = f"{text[: member.end()]}, {member[0]}{text[member.end() :]}"
        assert sent(function, route, repeated) == (400, "malformed-json"), repeated
    assert members


@pytest.mark.parametrize(("route", "operation"), ROUTES, ids=[it[0] for it in ROUTES])
def test_every_example_is_what_its_schema_describes(route: str, operation: dict[str, Any]) -> None:
    shown = [(it["schema"], it["example"]) for it in map(resolved, operation["parameters"])]
    contents = [operation.get("requestBody", {}), *operation["responses"].values()]
    for content in (media for it in contents for media in it.get("content", {}).values()):
        examples = [resolved(it)["value"] for it in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        assert examples, route
        shown += [(content["schema"], example) for example in examples]
    for schema, example in shown:
        validator = Draft202012Validator(
            {**schema, "components": WHOLE["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        assert list(validator.iter_errors(example)) == []


@pytest.mark.parametrize(("route", "operation"), ROUTES, ids=[it[0] for it in ROUTES])
def test_every_refusal_is_a_problem_document(route: str, operation: dict[str, Any]) -> None:
    refusals = {status: it for status, it in operation["responses"].items() if status >= "400"}
    assert "500" in refusals
    for status, refusal in refusals.items():
        others = {"application/json"} if status == "401" else set()
        assert set(refusal["content"]) == {"application/problem+json"} | others
        for example in refusal["content"]["application/problem+json"]["examples"].values():
            assert resolved(example)["value"]["status"] == int(status)
        if status == "503":
            assert "Retry-After" in refusal["headers"]
        if status != "401":
            assert {"X-Correlation-Id", "X-Amzn-Trace-Id"} <= set(refusal["headers"])


def test_what_changes_something_takes_a_key_or_says_why_not() -> None:
    unkeyed = []
    for route, operation in ROUTES:
        names = [it.get("$ref", "") for it in operation["parameters"]]
        if "#/components/parameters/Idempotency-Key" not in names and not route.startswith("GET"):
            unkeyed.append(route)
    assert unkeyed == ["POST /payments/webhook", "DELETE /reservations/{reservation_id}"]


def test_tokens_are_bearer_jwts_and_every_use_names_them() -> None:
    assert WHOLE["components"]["securitySchemes"] == {
        "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    for route, operation in ROUTES:
        assert operation["security"] in ([], [{"accessToken": []}]), route
        assert ("401" in operation["responses"]) == bool(operation["security"]), route
