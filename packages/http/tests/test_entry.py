"""The HTTP entry that shop-command and shop-query share."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shop_http.answers import JSON, HttpAnswer
from shop_http.entry import HttpFunction
from shop_http.parameters import number
from shop_http.problem import ProblemError
from shop_http.request import administrator, caller
from shop_http.route import HttpRequest, Route, Who
from shop_http.testing import TAKEN_AT_SECONDS, http_event
from shop_observability.testing import listening_to_logs

SOMEBODY = "a customer's name"
Logged = Callable[[], list[dict[str, Any]]]


class TeapotError(Exception):
    pass


def errors(error: Exception) -> ProblemError | None:
    return ProblemError(418, "teapot", "Teapot", "Use a kettle.", sku="POT") if isinstance(error, TeapotError) else None


def fail(error: Exception) -> HttpAnswer:
    raise error


function = HttpFunction("shop-test", errors)
BUSY = ProblemError(503, "busy", "Busy", "Again.", headers={"Retry-After": "1"})
function.route("GET /things/{sku}", tag="")(lambda _, sku: HttpAnswer(200, JSON, json.dumps({"sku": sku})))
function.route("GET /teapot", tag="")(lambda _: fail(TeapotError()))
function.route("GET /bug", tag="")(lambda _: fail(ValueError(f"of {SOMEBODY}'s data")))
function.route("GET /busy", tag="")(lambda _: fail(BUSY))


@pytest.fixture
def logged() -> Iterator[Logged]:
    """Returns the lines that were logged so far."""
    with listening_to_logs() as log:
        yield log.lines


def request(path: str, headers: dict[str, str] | None = None, claims: dict[str, Any] | None = None) -> dict[str, Any]:
    event = http_event(f"GET {path}", key=None, subject=None, headers=headers, declared=function.declared)
    if claims:
        claims = {"token_use": "access", "iat": str(TAKEN_AT_SECONDS)} | claims
        event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    return event


def test_a_route_answers_and_the_answer_carries_the_correlation_id() -> None:
    answer = function(request("/things/MUG", {"x-correlation-id": "mine-1"}), None)
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"sku": "MUG"})
    assert answer["headers"]["X-Correlation-Id"] == "mine-1"


@pytest.mark.parametrize("sent", ["", "with space", "x" * 129, "a\nb"])
def test_a_malformed_correlation_id_is_replaced_by_the_gateways_request_id(sent: str) -> None:
    assert function(request("/teapot", {"x-correlation-id": sent}), None)["headers"]["X-Correlation-Id"] == "request-1"


@pytest.mark.parametrize(("error", "status"), [(None, 201), (TeapotError(), 418)])
def test_a_replay_says_so_even_if_it_is_a_refusal(error: Exception | None, status: int) -> None:
    def answer(call: HttpRequest) -> HttpAnswer:
        call.replay()
        return fail(error) if error else HttpAnswer(201, JSON, "{}", {"Location": "/things/MUG"})

    again = HttpFunction("shop-test", errors)
    again.route("POST /things", tag="")(answer)
    answered = again(http_event("POST /things", raw_body=""), None)
    assert answered["statusCode"] == status
    assert answered["headers"]["Idempotent-Replayed"] == "true"
    assert answered["headers"].get("Link") == (None if error else '</things/MUG>; rel="status"')


def test_an_expected_error_is_a_problem_document() -> None:
    answer = function(request("/teapot"), None)
    assert answer["statusCode"] == 418
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert json.loads(answer["body"]) == {
        "type": "https://shop.example/problems/teapot",
        "title": "Teapot",
        "status": 418,
        "detail": "Use a kettle.",
        "instance": "/teapot",
        "correlation_id": "request-1",
        "sku": "POT",
    }


def test_a_problem_keeps_its_headers() -> None:
    assert function(request("/busy"), None)["headers"]["Retry-After"] == "1"


def test_an_unexpected_error_is_a_problem_that_tells_nothing_of_the_inside() -> None:
    answer = function(request("/bug"), None)
    assert answer["statusCode"] == 500
    assert SOMEBODY not in answer["body"]


def test_the_gateway_may_have_another_name_for_a_parameter() -> None:
    event = http_event("GET /things/{id}", key=None, subject=None, id="MUG")
    assert json.loads(function(event, None)["body"]) == {"sku": "MUG"}


def test_a_path_has_one_parameter_at_most() -> None:
    with pytest.raises(ValueError, match="one parameter"):
        HttpFunction("shop-test", errors).route("GET /things/{sku}/{part}", tag="")(lambda *_: fail(BUSY))


def test_an_answer_that_cannot_be_sent_is_a_problem() -> None:
    broken = HttpFunction("shop-test", errors)
    broken.route("GET /things", tag="", compress=True)(lambda _: HttpAnswer(200, JSON, '"\ud800"'))
    answer = broken(http_event("GET /things", key=None, subject=None), None)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (500, "application/problem+json")


def test_a_path_that_the_gateway_has_not_matched_is_no_route() -> None:
    assert function(request("/things/MUG") | {"routeKey": "$default"}, None)["statusCode"] == 404


def test_an_unknown_route_is_a_problem() -> None:
    answer = function(request("/nowhere"), None)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (404, "application/problem+json")


def test_a_handler_reads_only_parameters_that_its_route_declares() -> None:
    declared = number("limit", "How many.", 1, 9, example=1, default=None)
    route = Route(
        "GET", "/", lambda request: HttpAnswer(200, None, str(request.value(declared))), "", Who.ANYONE, False, (), ()
    )
    with pytest.raises(KeyError):
        route.answer(request("/"))
    known = dataclasses.replace(route, query=(declared,))
    assert known.answer({**request("/"), "queryStringParameters": {"limit": "9"}}).body == "9"
    with pytest.raises(ProblemError, match="422"):
        known.answer({**request("/"), "queryStringParameters": {"limit": "10"}})


def test_one_line_is_logged_for_a_request(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    headers = {"authorization": "Bearer canary", "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    function(request("/things/MUG", headers), None)
    (line,) = logged()
    assert line["duration_ms"] >= 0
    assert {name: line[name] for name in line.keys() - {"duration_ms", "location", "service", "timestamp"}} == {
        "level": "INFO",
        "message": "request",
        "route": "GET /things/{sku}",
        "status": 200,
        "correlation_id": "request-1",
        "trace_id": "1-5759e988-bd862e3fe1be46a994272793",
    }


def test_a_bug_is_logged_with_its_cause_before_the_request(logged: Logged) -> None:
    function(request("/bug"), None)
    bug, line = logged()
    assert (bug["level"], bug["exception_name"], bug["correlation_id"]) == ("ERROR", "ValueError", "request-1")
    assert SOMEBODY not in json.dumps(bug)
    assert (line["message"], line["status"]) == ("request", 500)


@pytest.mark.parametrize("groups", ["[admin]", "[staff admin]", "[admin staff]", "[sales,staff admin [x]]"])
def test_an_administrator_is_known_by_the_group(groups: Any) -> None:
    assert administrator(request("/", claims={"sub": "a", "cognito:groups": groups})).subject == "a"


@pytest.mark.parametrize(
    "name", ["partners[admin]", "sales,admin", "admin]", "[admin", "[admin]", "Admin", "admin\u00a0x"]
)
def test_a_group_whose_name_holds_the_administrators_is_another_group(name: str) -> None:
    for groups in (f"[{name}]", f"[staff {name}]", f"[{name} staff]"):
        with pytest.raises(ProblemError, match="403"):
            administrator(request("/", claims={"sub": "c", "cognito:groups": groups}))


UNEXPECTED: list[Any] = [
    "",
    "[]",
    "[",
    "]",
    "admin",
    "x admin",
    "[administrators]",
    None,
    [],
    ["admin"],
    [1],
    [{}],
    7,
    True,
    {"admin": 1},
]


@pytest.mark.parametrize("groups", UNEXPECTED)
def test_anyone_else_is_refused_what_administrators_may(groups: Any) -> None:
    with pytest.raises(ProblemError, match="403"):
        administrator(request("/", claims={"sub": "c", "cognito:groups": groups}))


@pytest.mark.parametrize("subject", ["", "a" * 129, None, 7, True, ["a"], {"a": "b"}])
def test_a_subject_of_an_unexpected_type_or_length_is_nobody(subject: Any) -> None:
    with pytest.raises(ProblemError, match="401"):
        caller(request("/", claims={"sub": subject}))
    assert caller(request("/", claims={"sub": "a" * 128})).subject == "a" * 128


@pytest.mark.parametrize("use", ["id", "refresh", "", None, 7, ["access"]])
def test_an_id_token_is_no_access_token(use: Any) -> None:
    for check in (caller, administrator):
        with pytest.raises(ProblemError, match="401"):
            check(request("/", claims={"sub": "a", "token_use": use, "cognito:groups": "[admin]"}))


def issued(at: Any) -> dict[str, Any]:
    return request("/", claims={"sub": "a", "iat": at, "cognito:groups": "[admin]"})


def test_an_administrator_who_lost_the_right_has_no_token_that_is_young_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (900, 0, -1):  # clocks may differ
        assert administrator(issued(str(TAKEN_AT_SECONDS - seconds))).subject == "a"
    with pytest.raises(ProblemError, match="401"):
        administrator(issued(str(TAKEN_AT_SECONDS - 901)))
    assert caller(issued(str(TAKEN_AT_SECONDS - 901))).subject == "a", "a customer's routes go on"
    monkeypatch.setenv("ADMINISTRATOR_SECONDS", "60")
    with pytest.raises(ProblemError, match="401"):
        administrator(issued(str(TAKEN_AT_SECONDS - 61)))


@pytest.mark.parametrize("issued_at", [None, "", "now", "-1", "1.5", "٣", [], {}])
def test_a_token_without_a_time_is_too_old_for_an_administrator(issued_at: Any) -> None:
    with pytest.raises(ProblemError, match="401"):
        administrator(issued(issued_at))


@pytest.mark.parametrize("context", [None, "", {"jwt": None}, {"jwt": {"claims": None}}, {"jwt": {"claims": ["sub"]}}])
def test_an_authorizer_of_an_unexpected_type_names_nobody(context: Any) -> None:
    event = request("/")
    event["requestContext"]["authorizer"] = context
    with pytest.raises(ProblemError, match="401"):
        caller(event)


def test_a_route_that_lost_its_authorizer_refuses_everyone() -> None:
    with pytest.raises(ProblemError, match="401"):
        caller(request("/"))
