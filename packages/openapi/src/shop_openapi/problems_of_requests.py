"""What can be wrong with a request, whatever it asks for."""

from typing import Any, Final

from shop_command.application.request import IdempotencyKeyReusedError
from shop_command.handlers import bodies
from shop_command.handlers.problems import problem_of
from shop_command.ports import ContentionError
from shop_http import entry, request
from shop_openapi.problem import SAME_KEY, Problem, answered, raised

CALLER: Final = request.Caller("6f1c8a52", frozenset())
JSON: Final = {"content-type": "application/json"}
_ERRORS: Final = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "pointer": {"type": "string", "description": "Of a field of the body (RFC 6901)."},
            "parameter": {"type": "string", "description": "The name of a query parameter."},
            "detail": {"type": "string"},
        },
        "required": ["detail"],
    },
}


def _event(body: str = "", **headers: str) -> dict[str, Any]:
    return {"body": body, "headers": headers, "requestContext": {"requestId": "request"}}


def _with_groups(**claims: str) -> dict[str, Any]:
    return {"requestContext": {"authorizer": {"jwt": {"claims": claims}}}}


def _reservation(body: str, headers: dict[str, str]) -> Any:
    return raised(bodies.body_of, _event(body, **headers), bodies.ReservationBody)


OF_REQUESTS: Final = (
    Problem(
        "malformed-json",
        _reservation('{"lines": [', JSON),
        "The body is no JSON document.",
        "It is empty, cut off, not in UTF-8, or has a syntax error; `detail` says where.",
        "Send one well-formed JSON document.",
    ),
    Problem(
        "invalid-request",
        _reservation('{"lines": [{"sku": "MUG-BLUE", "quantity": 0}]}', JSON),
        "The body or a query parameter is against this document.",
        "A field is missing, unknown, of another type or out of its limits; or a query parameter is. `errors` names "
        "each: `pointer` a place in the body, `parameter` a query parameter.",
        "Correct what `errors` names.",
        extensions={"errors": _ERRORS},
    ),
    Problem(
        "body-too-large",
        _reservation(" " * (bodies.BODY_BYTES_MAX + 1), JSON),
        "The body is larger than any request needs.",
        f"It has more than {bodies.BODY_BYTES_MAX:,} bytes.",
        "Send less.",
    ),
    Problem(
        "unsupported-media-type",
        _reservation("lines=1", {"content-type": "application/x-www-form-urlencoded"}),
        "The body is said to be something other than JSON.",
        "The header Content-Type is absent, or not `application/json`.",
        "Send JSON, and `Content-Type: application/json`.",
    ),
    Problem(
        "idempotency-key-required",
        raised(bodies.request_of, _event(), CALLER),
        "A command could not be told from its own repeat.",
        "A route that takes an Idempotency-Key got none.",
        "Send the header: a new random value for each purpose, the same one for a repeat.",
        "Only with a key.",
    ),
    Problem(
        "idempotency-key-malformed",
        raised(bodies.request_of, _event(**{"idempotency-key": "two words"}), CALLER),
        "The Idempotency-Key cannot be kept as it is.",
        "It has more than 255 characters, or other than visible ASCII ones.",
        "Send a UUID, for example.",
        "Only with another key.",
    ),
    Problem(
        "idempotency-key-reused",
        answered(problem_of, IdempotencyKeyReusedError()),
        "The key was used for something else before, and nothing was done this time.",
        "This caller sent the same key to the same route with another body or path, at any time in the past.",
        "For a new purpose send a new key. For a repeat send exactly what was sent first.",
        "Only with what was sent first: it gets the first answer.",
    ),
    Problem(
        "unauthenticated",
        raised(request.caller, {"requestContext": {}}),
        "The shop does not know who is asking.",
        "Only when a route was deployed without its authorizer. A missing or invalid token never comes this far: the "
        'gateway refuses it with 401 and a body of its own, `{"message": "Unauthorized"}`.',
        "Send a valid access token; if you did, tell us.",
    ),
    Problem(
        "forbidden",
        raised(request.administrator, _with_groups(sub="6f1c8a52")),
        "The route is not for you.",
        "The token is valid, and its user is not in the group `admin`.",
        "Ask an administrator to do it.",
        instance="/products",
    ),
    Problem(
        "not-found",
        lambda: entry.NOT_FOUND,
        "There is no such thing, or it is not yours: the answer never tells the two apart.",
        "The path names no route, or a product, reservation or purchase that does not exist, is another customer's, or "
        "is so new that the read model does not have it yet.",
        "Check the path and the id. To read what a command has just done, send its `stream_version` as `min_version`.",
        instance="/products/NO-SUCH-SKU",
    ),
    Problem(
        "try-again",
        answered(problem_of, ContentionError()),
        "The command was not done, because too many others changed the same thing, or a system was away for a moment.",
        "Many customers reserve the same product at once, or the store does not answer in time.",
        "Wait for `Retry-After` and repeat it.",
        SAME_KEY,
    ),
    Problem(
        "internal-error",
        lambda: entry.INTERNAL,
        "A mistake of ours. It was logged under `correlation_id`.",
        "Never, we hope.",
        "Repeat the request once; if it comes again, tell us the `correlation_id`.",
        "Perhaps, with the same key: if the command was done, the repeat gets its answer and has no second effect.",
    ),
)
