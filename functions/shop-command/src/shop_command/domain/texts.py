"""Text that people see has something to see, and nothing that makes it look like another text.

A body is checked and keeps what was sent, so that a repeat of the request is recognized by its digest. The decider
writes the normalised text into the event. https://www.unicode.org/reports/tr36/ says what bidirectional controls,
invisible characters and tags have been used for.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

NAME_CHARACTERS_MAX: Final = 200
DESCRIPTION_CHARACTERS_MAX: Final = 2_000
REASON_CHARACTERS_MAX: Final = 200
ALTERNATIVE_CHARACTERS_MAX: Final = 200
_NONCHARACTERS: Final = "\ufdd0-\ufdef" + "".join(
    chr((plane << 16) + 0xFFFE + i) for plane in range(17) for i in (0, 1)
)
_BIDIRECTIONAL: Final = "\u202a-\u202e\u2066-\u2069"
# Among the controls is NUL, which PostgreSQL's text can't hold.
_CONTROLS: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u206a-\u206f\ufeff\ufff9-\ufffb"
_TAGS: Final = "\U000e0000-\U000e007f"
_UNWANTED: Final = re.compile(f"[{_CONTROLS}{_BIDIRECTIONAL}{_TAGS}{_NONCHARACTERS}\ud800-\udfff]")
_STRAY_JOINER: Final = re.compile(r"(?:^|\s)[\u200c\u200d]|[\u200c\u200d](?:\s|$)")
"""Scripts and emoji need joiners, but only between two characters."""
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")
"""Unicode calls these letters and symbols, and they show nothing."""
_NEW_LINE: Final = re.compile("\r\n|[\r\u2028\u2029]")


def name(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def description(text: str) -> str:
    """Ends a line with LF alone, as a text area does not, and writes a tab as a space."""
    return name(_NEW_LINE.sub("\n", text).replace("\t", " "))


def _checked(normalised: Callable[[str], str], characters_max: int, text: str) -> str:
    shown = normalised(text)
    if len(shown) > characters_max:
        limit = {"max": characters_max}
        raise PydanticCustomError("too_long", "It has at most {max} characters in Unicode's form NFC", limit)
    if _UNWANTED.search(shown) or (normalised is name and _NEW_LINE.search(shown)):
        raise PydanticCustomError("unwanted", "It has no controls, bidirectional overrides, tags or noncharacters")
    if _STRAY_JOINER.search(shown):
        raise PydanticCustomError("stray_joiner", "A joiner stands between two characters")
    if not any(map(_is_visible, shown)) and (shown or normalised is name):
        raise PydanticCustomError("invisible", "It has a visible character")
    return text


def _is_visible(character: str) -> bool:
    """Letters, numbers, punctuation and symbols are; a mark needs one of them to stand on."""
    return unicodedata.category(character)[0] in "LNPS" and character not in _BLANK


Name = Annotated[
    str,
    Field(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(partial(_checked, name, NAME_CHARACTERS_MAX)),
]
Reason = Annotated[
    str,
    Field(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(partial(_checked, name, REASON_CHARACTERS_MAX)),
]
Alternative = Annotated[
    str,
    Field(max_length=ALTERNATIVE_CHARACTERS_MAX, description="What a picture shows; empty for one that says nothing."),
    AfterValidator(partial(_checked, description, ALTERNATIVE_CHARACTERS_MAX)),
]
Description = Annotated[
    str,
    Field(max_length=DESCRIPTION_CHARACTERS_MAX),
    AfterValidator(partial(_checked, description, DESCRIPTION_CHARACTERS_MAX)),
]
