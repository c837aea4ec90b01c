"""Where a stage goes, and that it cannot go anywhere else."""

import subprocess
from collections.abc import Callable

import pytest

from shop_cli.local.build import FUNCTIONS

Serverless = Callable[..., subprocess.CompletedProcess[str]]
SERVICES = ("shop-platform", *FUNCTIONS)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("endpoint", ["", "https://dynamodb.us-east-1.amazonaws.com"])
def test_stage_local_goes_nowhere_but_to_the_emulator(serverless: Serverless, service: str, endpoint: str) -> None:
    # Empty, and not absent: a running shop's .env.local may be there, and fills in what is absent.
    done = serverless(service, "print", "--stage", "local", AWS_ENDPOINT_URL=endpoint)
    assert done.returncode != 0
    assert f"AWS_ENDPOINT_URL is {endpoint or 'not set'}" in done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES[1:])
def test_stage_offline_needs_neither_aws_nor_credentials(serverless: Serverless, service: str) -> None:
    done = serverless(service, "print", "--stage", "offline", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ" not in done.stdout  # the database is reached by its URL
