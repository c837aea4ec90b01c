"""What the API says of itself is answered to anyone, without any system behind the function."""

import json
from typing import Any

from shop_command.handlers.api import handler
from shop_http.testing import http_event


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 20_000


def test_the_document_describes_this_function() -> None:
    answer: dict[str, Any] = handler(http_event("GET /openapi/command.json", key=None, subject=None), Context())
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "application/json")
    document = json.loads(answer["body"])
    assert document["openapi"].startswith("3.1.")
    assert "post" in document["paths"]["/purchase"]
    assert "/sales/top" not in document["paths"]
