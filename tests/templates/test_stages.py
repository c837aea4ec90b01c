"""Where a stage goes, and that it cannot go anywhere else."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shop_cli.local.build import FUNCTIONS

Serverless = Callable[..., subprocess.CompletedProcess[str]]
CHECKOUT = Path(__file__).parents[2]
SERVICES = ("shop-platform", *FUNCTIONS)


@pytest.mark.parametrize("service", SERVICES)
def test_stage_local_goes_nowhere_but_to_the_emulator(serverless: Serverless, service: str) -> None:
    done = serverless(service, "print", "--stage", "local", AWS_ENDPOINT_URL="https://dynamodb.us-east-1.amazonaws.com")
    assert done.returncode != 0
    assert "AWS_ENDPOINT_URL is https://dynamodb.us-east-1.amazonaws.com" in done.stdout + done.stderr


def test_without_an_endpoint_stage_local_goes_nowhere() -> None:
    """osls would read the endpoint from a running shop's .env.local, so its own question is asked."""
    node = ["node", "--eval", "require('./config/local-endpoint.js')()"]
    done = subprocess.run(
        node, cwd=CHECKOUT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "AWS_ENDPOINT_URL is not set" in done.stderr


@pytest.mark.parametrize("service", SERVICES[1:])
def test_stage_offline_needs_neither_aws_nor_credentials(serverless: Serverless, service: str) -> None:
    done = serverless(service, "print", "--stage", "offline", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ" not in done.stdout  # the database is reached by its URL
