"""What the function says of itself: a file that `make openapi` writes into `generated`, beside this module."""

from pathlib import Path
from typing import Final

from aws_lambda_powertools.event_handler import Response

_OPENAPI: Final = Path(__file__).parent / "generated" / "openapi.json"


def openapi() -> Response[str]:
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(200, "application/json", _OPENAPI.read_text(encoding="utf-8"), headers=headers)
