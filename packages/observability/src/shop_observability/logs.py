"""The structured logger: one JSON line per request or batch. Never log a body, a token, a card or a customer's data."""

from functools import cache

from aws_lambda_powertools import Logger


@cache
def logger() -> Logger:
    """The function's logger. Service and level come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL."""
    # Our messages are text. Without the last option each is first tried as JSON: a sixth of what a line takes.
    return Logger(utc=True, log_record_order=["level", "message", "service"], json_deserializer=str)
