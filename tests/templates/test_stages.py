"""Where a stage goes, and that it cannot go anywhere else."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shop_cli.endpoint import check_endpoint
from shop_cli.errors import ShopError
from shop_cli.local.build import FUNCTIONS

Serverless = Callable[..., subprocess.CompletedProcess[str]]
CHECKOUT = Path(__file__).parents[2]
SERVICES = ("shop-platform", *FUNCTIONS)


@pytest.mark.parametrize("service", SERVICES)
def test_a_stage_of_the_emulator_goes_nowhere_but_to_it(serverless: Serverless, service: str) -> None:
    stage = "rehearsal" if service == "shop-platform" else "local"
    done = serverless(service, "print", "--stage", stage, AWS_ENDPOINT_URL="https://dynamodb.us-east-1.amazonaws.com")
    assert done.returncode != 0
    assert "AWS_ENDPOINT_URL is https://dynamodb.us-east-1.amazonaws.com" in done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_no_other_stage_goes_to_the_emulator(serverless: Serverless, service: str) -> None:
    done = serverless(service, "print", "--stage", "dev", AWS_ENDPOINT_URL="http://127.0.0.1:4566")
    assert done.returncode != 0
    assert "stage dev goes to AWS, and AWS_ENDPOINT_URL is http://127.0.0.1:4566" in done.stdout + done.stderr


def asked(stage: str, **variables: str) -> str:
    """Asks the guard itself: osls would read the endpoint from a running shop's .env.local."""
    code = f"require('./config/endpoint.js')({{ resolveVariable: async () => '{stage}' }}).then(console.log)"
    node = ["node", "--eval", code]
    environment = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run(node, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("stage", ["local", "rehearsal"])
def test_without_an_endpoint_a_stage_of_the_emulator_goes_nowhere(stage: str) -> None:
    assert f"stage {stage} goes to the emulator only, and AWS_ENDPOINT_URL is not set" in asked(stage)


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ENDPOINT_URL": "http://localhost:4566"},
        {"AWS_ENDPOINT_URL_CLOUDFORMATION": "http://127.0.0.1:1"},
        {"AWS_ENDPOINT_URL": "http://[::1]:4566"},
    ],
)
def test_both_guards_know_each_way_to_the_emulator(variables: dict[str, str]) -> None:
    assert "stage dev goes to AWS" in asked("dev", **variables)
    with pytest.raises(ShopError, match="stage dev goes to AWS"):
        check_endpoint("dev", variables)


@pytest.mark.parametrize("variables", [{}, {"AWS_ENDPOINT_URL_STS": "https://vpce-1.sts.us-east-1.vpce.amazonaws.com"}])
def test_both_guards_let_a_stage_go_to_aws(variables: dict[str, str]) -> None:
    assert asked("dev", **variables) == "that of AWS"
    check_endpoint("dev", variables)


@pytest.mark.parametrize("service", SERVICES[1:])
def test_stage_offline_needs_neither_aws_nor_credentials(serverless: Serverless, service: str) -> None:
    done = serverless(service, "print", "--stage", "offline", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ" not in done.stdout  # the database is reached by its URL
