"""The structured logger: one JSON line per request or batch. Never log a body, a token, a card or a customer's data."""

import logging
import os
from functools import cache

from aws_lambda_powertools import Logger

from shop_observability import exceptions, work
from shop_observability.log_line import LineFormatter


@cache
def logger() -> Logger:
    """Returns the function's logger. Service and level come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL.
    Each line has the annotations of the current work, and everything of an exception but its message."""
    # No line tells of these. https://docs.python.org/3/howto/logging.html#optimization
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined] # it is new in Python 3.12
    made = Logger(
        # A value that JSON cannot hold may be personal, and by default str() would write it out.
        logger_formatter=LineFormatter(json_default=lambda value: exceptions.name_of(type(value))),
        sampling_rate=float(os.environ.get("POWERTOOLS_LOGGER_SAMPLE_RATE") or 0),
    )
    if not made.sampling_rate:
        made.remove_keys(["sampling_rate"])
    made.addFilter(_complete)
    return made


def sample() -> None:
    """Decides at random whether an invocation logs from DEBUG on; POWERTOOLS_LOGGER_SAMPLE_RATE is the share."""
    if logger().sampling_rate:
        logger().refresh_sample_rate_calculation()


def _complete(record: logging.LogRecord) -> bool:
    """A filter does this and not a formatter, so that Lambda's own handler of logs gets no messages either."""
    if record.exc_info:
        _replace_message(record, record.exc_info[1])
    for name, value in work.fields().items():
        record.__dict__.setdefault(name, value)
    return True


def _replace_message(record: logging.LogRecord, error: BaseException | None) -> None:
    record.exc_info = None
    if error is None:
        return
    record.exception, record.exception_name = exceptions.describe(error), type(error).__name__
    if code := exceptions.code_of(error):
        record.__dict__.setdefault("code", code)
    if reason := exceptions.reason_of(error):
        record.__dict__.setdefault("reason", reason)
