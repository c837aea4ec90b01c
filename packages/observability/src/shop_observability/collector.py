"""Python's garbage collector pauses while a function starts in Lambda: imports leave hardly any garbage, and looking
for it takes a tenth of their time."""

import gc
import os


def pause() -> None:
    """Is called before a handler's imports. `invocation` ends the pause."""
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # only Lambda sets it
        gc.disable()


def resume() -> None:
    if not gc.isenabled():
        gc.freeze()  # or a request would have all that was imported looked through
        gc.enable()
