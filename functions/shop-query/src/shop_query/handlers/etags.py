"""An ETag validates an answer: it shows whether a client's copy still holds. https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2"""

import re
from hashlib import blake2b

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def of(document: str) -> str:
    """The tag is strong: two answers with the same tag have the same bytes."""
    return f'"{blake2b(document.encode(), digest_size=16).hexdigest()}"'


def matches(tag: str, if_none_match: str | None) -> bool:
    """If-None-Match asks for the weak comparison: a cache on the way may have marked our tag as weak."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)
