"""Ids and codes have these forms, which are regular expressions and need no pydantic.

The event models use them, and an id in a path or a query string is checked against the same
ones. A form may be widened in a minor version of the package, never narrowed: events that were written stay readable.
"""

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Form:
    pattern: str
    """The whole text matches this; it is in the common subset of Python's, Rust's and JSON Schema's expressions."""
    description: str
    """People read this where a text was refused."""
    example: str

    @property
    def anchored(self) -> str:
        """Schemas search for their pattern anywhere in a text, so it has to name both ends."""
        return f"^{self.pattern}$"

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def matches(self, text: str) -> bool:
        return self._expression.fullmatch(text) is not None


SKU = Form(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}",
    "1 to 40 letters from A to Z, digits, hyphens, underscores and full stops, the first a letter or digit",
    "MUG-BLUE",
)
"""Capital and small letters are different. It is one segment of a path and has no slash, because a gateway may decode
`%2F` before it looks for the route. `#` separates the parts of a stock bucket's key, and a comma the SKUs of a list."""
UUID = Form(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "a UUID in small letters", "6f1c8a52-3d0e-5b7a-9c44-e2d1f0a98b37"
)
STREAM_ID = Form(
    r"(product|reservation)-[A-Za-z0-9._-]{1,60}", "product-<sku> or reservation-<id>", f"product-{SKU.example}"
)
INSTANT = Form(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)",
    "a moment as RFC 3339 has it, with a capital T and Z",
    "2026-11-23T09:29:06.821000Z",
)
"""All readers of an event agree on these, and on the day in UTC: Athena knows no offset of more than 14 hours, and what
is finer than a microsecond is rounded by one and cut off by another."""
CURRENCY = Form(r"[A-Z]{3}", "three capital letters, by ISO 4217", "EUR")
MEDIA_PATH = Form(
    r"/media/([a-zA-Z0-9_-]{1,64}/){0,3}[a-zA-Z0-9_-]{1,64}\.(avif|jpg|png|webp)",
    "a path under /media/ that ends in .avif, .jpg, .png or .webp",
    "/media/3f/9a0c51e2-960.webp",
)
"""It has no host, and no dots but the last one: it leads nowhere else."""
CATEGORY = Form(r"[a-z0-9][a-z0-9-]{0,39}", "1 to 40 small letters, digits and hyphens", "mugs")
