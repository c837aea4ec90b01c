"""In Lambda, what the first request needs is made ready with the import of the handler; elsewhere the request does it.

With SnapStart, the memory is then stored, and every later environment begins with a copy of it.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

import random
from collections.abc import Callable, Mapping
from importlib import import_module


def initialize(
    environment: Mapping[str, str], prepare: Callable[[], object], connect: Callable[[], object] = lambda: None
) -> None:
    """`prepare` makes ready what may be in a snapshot, and has no connection and no credential. `connect` may have
    both: each environment does that for itself."""
    kind = environment.get("AWS_LAMBDA_INITIALIZATION_TYPE")
    if kind is None:
        return  # not in Lambda
    prepare()
    if kind != "snap-start":
        connect()
        return
    hooks = import_module("snapshot_restore_py")  # it is a part of Lambda's runtime
    # The SDK's pauses between its tries draw from this generator. The shop's own draw from the system, as its ids do.
    hooks.register_after_restore(random.seed)
    hooks.register_after_restore(connect)
