"""The `X-Amzn-Trace-Id` header names the trace that a request belongs to, and decides whether it is recorded."""

import os
import re
from typing import Final, NamedTuple, Self

_TRACE_ID: Final = re.compile("1-[0-9a-f]{8}-[0-9a-f]{24}")
_SEGMENT_ID: Final = re.compile("[0-9a-f]{16}")
# One match in place of a walk through all fields, for what nearly every request has, twice.
_USUAL: Final = re.compile(
    f"Root=({_TRACE_ID.pattern})(?:;Parent=({_SEGMENT_ID.pattern}))?(?:;Sampled=([01]))?(?:;Lineage=[^;]*)?"
)
_DECISIONS: Final[dict[str | None, bool]] = {"1": True, "0": False}


class TraceHeader(NamedTuple):
    """https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader"""

    root: str
    parent: str | None = None
    sampled: bool | None = None
    """It is None when the sender left the decision to us."""

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Returns None for anything that is no trace header: a client's header is input like any other."""
        if not text:
            return None
        as_aws_writes_it = _USUAL.fullmatch(text)
        if as_aws_writes_it:
            root, parent, sampled = as_aws_writes_it.groups()
            return cls(root, parent, _DECISIONS.get(sampled))
        fields = dict(part.strip().partition("=")[::2] for part in text.split(";"))
        root, parent = fields.get("Root", ""), fields.get("Parent", "")
        if not _TRACE_ID.fullmatch(root):
            return None
        return cls(root, parent if _SEGMENT_ID.fullmatch(parent) else None, _DECISIONS.get(fields.get("Sampled")))

    def __str__(self) -> str:
        parent = f";Parent={self.parent}" if self.parent else ""
        return f"Root={self.root}{parent};Sampled={int(bool(self.sampled))}"


def request_header(received: str | None, own: TraceHeader | None) -> TraceHeader | None:
    """Continues the trace that a client sent, or else `own`, the one that Lambda began for this invocation.

    Lambda ignores what it is sent through an HTTP API. Where nobody has sent a header, the API adds one with a `Root`
    alone, which names a third trace that nothing else is in: https://github.com/aws/aws-xray-sdk-java/issues/301.
    Where the client leaves the sampling decision open, Lambda's decision holds.
    """
    if own and not (received and ("Parent=" in received or "Sampled=" in received)):
        return own  # nothing else in the header would change that
    theirs = TraceHeader.parse(received)
    if own and (theirs is None or (theirs.parent is None and theirs.sampled is None)):
        return own
    if theirs is None or theirs.sampled is not None:
        return theirs
    return TraceHeader(theirs.root, theirs.parent, bool(own and own.sampled))


def lambdas_header() -> TraceHeader | None:
    """Names the trace that Lambda began for this invocation, and its own segment of the function in it."""
    return TraceHeader.parse(os.environ.get("_X_AMZN_TRACE_ID"))
