"""Where a stage goes, that it cannot go anywhere else, and what it shares with another: nothing."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from shop_cli.endpoint import check_endpoint
from shop_cli.errors import ShopError
from shop_cli.local.build import FUNCTIONS

Templates = dict[str, dict[str, Any]]
Serverless = Callable[..., subprocess.CompletedProcess[str]]
CHECKOUT = Path(__file__).parents[2]
SERVICES = ("shop-platform", *FUNCTIONS)
NAMED_INSIDE_OF_ITS_PARENT: Final = {
    ("AWS::ApiGatewayV2::Authorizer", "Name"),
    ("AWS::ApiGatewayV2::Stage", "StageName"),
    ("AWS::Athena::NamedQuery", "Name"),
    ("AWS::Cognito::UserPool", "Name"),  # a way to recover an account
    ("AWS::Cognito::UserPoolClient", "ClientName"),
    ("AWS::Cognito::UserPoolGroup", "GroupName"),
    ("AWS::DynamoDB::Table", "AttributeName"),
    ("AWS::DynamoDB::Table", "IndexName"),
    ("AWS::Glue::Table", "Name"),
    ("AWS::IAM::Policy", "PolicyName"),
    ("AWS::IAM::Role", "PolicyName"),
    ("AWS::KinesisFirehose::DeliveryStream", "ParameterName"),
    ("AWS::Logs::LogStream", "LogStreamName"),
    ("AWS::RDS::DBCluster", "DatabaseName"),
}


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


def texts(templates: Templates) -> Iterator[tuple[str, str, str]]:
    """Yields each text in a resource's properties, after the resource's type and the name that the text has there."""

    def below(value: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            yield name, value
        for key, each in value.items() if isinstance(value, dict) else ():
            yield from below(each, key)
        for each in value if isinstance(value, list) else ():
            yield from below(each, name)

    for template in templates.values():
        for resource in template["Resources"].values():
            for name, text in below(resource["Properties"], ""):
                yield resource["Type"], name, text


def test_no_two_stages_name_the_same_thing(production: Templates, another: Templates) -> None:
    shared = set(texts(production)) & set(texts(another))
    named = {
        (kind, name)
        for kind, name, _ in shared
        if re.search(r"(^|[a-z])(Name|Identifier|Domain)$", name) and kind != "AWS::CloudWatch::Alarm"  # test_alarms.py
    }
    assert named == NAMED_INSIDE_OF_ITS_PARENT
    # Parameters, log groups and functions are also named where they are used.
    assert {text for _, _, text in shared if re.search(r"(^|[/:])shop[-/]", text)} == set(FUNCTIONS)


def test_another_region_leaves_no_name_of_the_first(packages: Path) -> None:
    folder = packages / ("l" * 20)
    files = [path for path in folder.glob("*/*.json") if path.name != "serverless-state.json"]
    assert len(files) == 8
    assert [path for path in files if "us-east-1" in path.read_text()] == []


@pytest.mark.parametrize(("stage", "region"), [("production", "eu-central-1"), ("dev", "eu-west-1")])
def test_a_stages_stacks_are_in_its_own_region_or_in_that_of_all(stage: str, region: str) -> None:
    code = f"""
        require('./config/stages.json').regions = {{default: 'eu-west-1', production: 'eu-central-1'}};
        require('./config/stage.js')({{resolveVariable: async () => '{stage}'}}).then((it) => console.log(it.region));
    """
    done = subprocess.run(["node", "--eval", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{region}\n"


def test_no_other_file_says_the_region() -> None:
    """Tests, samples and documents show what names look like, and so does the API's document for a server's address.
    The certificate of a CloudFront distribution has to be in us-east-1, as serverless.yml says."""
    command = ["git", "grep", "-l", "us-east-1"]
    found = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.splitlines()
    examples = re.compile(r"(^|/)(tests|events|bench|docs)/|testing(/|\.py$)")
    assert {path for path in found if not examples.search(path)} == {
        "config/stages.json",
        "packages/openapi/src/shop_openapi/document.py",
        "serverless.yml",
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_name_that_cannot_be_a_stages_ends_a_deployment_before_aws_is_asked(
    serverless: Serverless, service: str
) -> None:
    done = serverless(service, "print", "--stage", "Dev-2", "--param", "platform=recorded")
    assert done.returncode != 0
    assert "the stage's name is Dev-2, and has to be 1 to 20 lower-case letters and digits" in done.stdout + done.stderr


def test_the_longest_name_of_a_stage_makes_no_other_name_too_long(another: Templates) -> None:
    """cfn-lint knows the limits of the names that are written out, but not of those that AWS puts together."""
    platform = another["shop-platform"]["Resources"]
    stage = platform["DatabaseCluster"]["Properties"]["DBClusterIdentifier"].removeprefix("shop-")
    assert len(stage) == 20
    assert len(f"shop-platform-{stage}-DeliveryStream-1ABCDEFGHIJKL") <= 64
    domain = platform["UserPoolDomain"]["Properties"]["Domain"]["Fn::Sub"]
    assert len(domain.replace("${AWS::AccountId}", "123456789012")) <= 63


def test_the_stacks_are_deployed_one_after_the_other() -> None:
    """API Gateway refuses two changes of one HTTP API at once, and a reader has to know a type before its events."""
    services = yaml.safe_load((CHECKOUT / "deploy" / "serverless-compose.yml").read_text())["services"]
    assert {name: service.get("dependsOn") for name, service in services.items()} == {
        "platform": None,
        "dispatch": "platform",
        "query": "dispatch",
        "command": "query",
    }


@pytest.mark.parametrize("service", FUNCTIONS)
def test_a_package_has_all_that_another_job_needs_to_deploy_it(packages: Path, service: str) -> None:
    template = (packages / "production" / service / "cloudformation-template-update-stack.json").read_text()
    (artifact,) = (packages / "production" / service).glob("*.zip")
    assert f"/{artifact.name}" in template


def test_the_package_of_one_stage_is_not_deployed_as_another(
    serverless: Serverless, packages: Path, local_run: dict[str, str]
) -> None:
    package = str(packages / "local" / "shop-query")
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    arguments = ("deploy", "--stage", "rehearsal", "--package", package, "--param", "platform=recorded")
    done = serverless("shop-query", *arguments, **local_run | nowhere)
    assert done.returncode != 0
    assert "can't be deployed as serverless/shop-query/rehearsal/" in done.stdout + done.stderr


def test_what_was_live_last_is_kept_and_what_has_failed_is_not() -> None:
    """The third was gone back to after the eighth had been live, so the fourth and the fifth leave before it."""
    releases = [{"name": f"{number}-", "live": number} for number in range(1, 9)]
    releases[2]["live"] = 9
    releases += [{"name": "90-"}, {"name": "91-", "live": 10}, {"name": "92-"}]
    script = "const {unneeded} = require('./config/releases.js'); console.log(JSON.stringify(unneeded(%s, '91-')))"
    node = ["node", "--eval", script % json.dumps(releases)]
    done = subprocess.run(node, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["90-", "5-", "4-", "2-", "1-"]
