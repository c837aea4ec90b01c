"""What the API says of itself is answered to anyone, without any system behind the function."""

import json
from typing import Any

from shop_command.handlers.api import handler


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 20_000


def test_the_document_describes_this_function() -> None:
    path = "/openapi/command.json"
    context = {"http": {"method": "GET", "path": path}, "requestId": "request", "stage": "$default"}
    event = {"version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {}, "requestContext": context}
    answer: dict[str, Any] = handler(event, Context())
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "application/json")
    document = json.loads(answer["body"])
    assert document["openapi"].startswith("3.1.")
    assert "post" in document["paths"]["/purchase"]
    assert "/sales/top" not in document["paths"]
