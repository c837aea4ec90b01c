"""Every client of AWS that a function has is configured here, so that AWS's own logs name the function that called.

The module imports botocore, which takes a function that calls nothing of AWS a third of a second: only what makes a
client imports it.
"""

import platform
from typing import Any

import botocore
from botocore.config import Config


def settings(service: str, **options: Any) -> Config:
    """`options` are botocore's own: timeouts, retries, connections.

    A call takes a third less CPU than with botocore's defaults. It writes its user agent anew for each request, with
    the features that the request uses, while this one is fixed: it names the SDK and the function, as CloudTrail shows
    it. It also checks each request's parameters against its model, which the service does again.
    """
    agent = f"Botocore/{botocore.__version__} lang/python#{platform.python_version()} app/{service}"
    return Config(user_agent=agent, parameter_validation=False, **options)
