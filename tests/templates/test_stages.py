"""Where a stage goes, and that it cannot go anywhere else."""

import json
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


@pytest.mark.parametrize("service", FUNCTIONS)
def test_a_package_has_all_that_another_job_needs_to_deploy_it(packages: Path, service: str) -> None:
    template = (packages / "production" / service / "cloudformation-template-update-stack.json").read_text()
    (artifact,) = (packages / "production" / service).glob("*.zip")
    assert f"/{artifact.name}" in template


def test_the_package_of_one_stage_is_not_deployed_as_another(serverless: Serverless, packages: Path) -> None:
    package = str(packages / "production" / "shop-query")
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    arguments = ("deploy", "--stage", "dev", "--package", package, "--param", "platform=recorded")
    done = serverless("shop-query", *arguments, **nowhere)
    assert done.returncode != 0
    assert "can't be deployed as serverless/shop-query/dev/" in done.stdout + done.stderr


def test_what_was_live_last_is_kept_and_what_has_failed_is_not() -> None:
    """The third was gone back to after the eighth had been live, so the fourth and the fifth leave before it."""
    releases = [{"name": f"{number}-", "live": number} for number in range(1, 9)]
    releases[2]["live"] = 9
    releases += [{"name": "90-"}, {"name": "91-", "live": 10}, {"name": "92-"}]
    script = "const {unneeded} = require('./config/releases.js'); console.log(JSON.stringify(unneeded(%s, '91-')))"
    node = ["node", "--eval", script % json.dumps(releases)]
    done = subprocess.run(node, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["90-", "5-", "4-", "2-", "1-"]
