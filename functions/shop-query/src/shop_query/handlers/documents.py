"""What the API says of itself: files that `make openapi` writes into `generated`, beside this module."""

from pathlib import Path
from typing import Final

from aws_lambda_powertools.event_handler import Response

_GENERATED: Final = Path(__file__).parent / "generated"
_CACHED: Final = {"Cache-Control": "public, max-age=300"}
# The page has a style of its own and nothing else: no script, no other host, no frame.
_NOTHING_ELSE: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
_HARDENED: Final = {
    "Content-Security-Policy": _NOTHING_ELSE + "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def openapi() -> Response[str]:
    return Response(200, "application/json", _text("openapi.json"), headers=_CACHED)


def page() -> Response[str]:
    return Response(200, "text/html; charset=utf-8", _text("docs.html"), headers={**_CACHED, **_HARDENED})


def _text(name: str) -> str:
    return (_GENERATED / name).read_text(encoding="utf-8")
