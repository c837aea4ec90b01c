"""The catalogue explains every problem type of the API. Each is sampled from the code."""

import json
from typing import Final

from shop_http.problem import TYPE_BASE, ProblemError
from shop_openapi.declarations import Schema
from shop_openapi.problem import Problem
from shop_openapi.problems_of_commands import OF_COMMANDS
from shop_openapi.problems_of_payment import OF_PAYMENT
from shop_openapi.problems_of_queries import OF_QUERIES
from shop_openapi.problems_of_requests import OF_REQUESTS

CATALOGUE: Final = {it.slug: it for it in (*OF_REQUESTS, *OF_COMMANDS, *OF_PAYMENT, *OF_QUERIES)}

BASE: Final[Schema] = {
    "type": "object",
    "description": "RFC 9457. `type` is for programs, `detail` tells a person what to do.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "correlation_id": {"type": "string", "description": "Name it when you ask us about this answer."},
    },
    "required": ["type", "title", "status", "detail", "instance", "correlation_id"],
}


def component(slug: str) -> str:
    """Names the schema of a problem type."""
    return "".join(part.capitalize() for part in slug.split("-")) + "Problem"


def schema(problem: Problem) -> Schema:
    sample = problem.sample()
    return {
        "description": problem.means,
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "type": "object",
        "properties": {
            "type": {"const": f"{TYPE_BASE}/{sample.slug}"},
            "status": {"const": sample.status},
            **problem.extensions,
        },
        **({"required": list(sample.extensions)} if sample.extensions else {}),
    }


def example(problem: Problem, sample: ProblemError) -> Schema:
    document = {
        "type": f"{TYPE_BASE}/{sample.slug}",
        "title": sample.title,
        "status": sample.status,
        "detail": sample.detail,
        "instance": problem.instance,
        "correlation_id": "checkout-7f3a",
        **sample.extensions,
    }
    return dict(json.loads(json.dumps(document)))  # with lists where the code has tuples
