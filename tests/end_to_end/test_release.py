"""What an engineer does with the running shop: the demo, a release of one function, a local invocation."""

import io
import json
import os
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shop_cli.local.deploy import STACKS
from shop_cli.local.home import Home
from shop_cli.operations.releases import history
from shop_cli.operations.releases.history import FunctionRelease, Service
from shop_cli.target import Target
from shop_cli.testing import ROOT, Shop, run_shop

ANSWERS = {
    "shop-query": {
        "list-products": 200,
        "search-products": 200,
        "list-categories": 200,
        "get-product": 200,
        "list-reservations": 200,
        "get-reservation": 404,
        "list-purchases": 200,
        "get-purchase": 404,
        "daily-sales": 200,
        "top-sales": 200,
    },
    "shop-command": {
        "list-product": 201,
        "receive-stock": 201,
        "reserve": 201,
        "reserve-other": 201,
        "cancel": 200,
        "purchase": 201,
        "refund": 201,
        "reprice": 201,
        "describe": 201,
        "adjust": 201,
        "redistribute": 201,
        "retire": 200,
        "relist": 200,
    },
}
"""The status that each sample event gets in a shop that has the seeded catalogue, in this order."""
OTHERS = {
    "shop-command": {"sweep": "sweep", "reconcile": "sweep", "integrity": "integrity"},
    "shop-dispatch": {
        "migrate": "migrate",
        "project-product-listed": "project",
        "project-purchase": "project",
        "archive": "archive",
        "rebuild": "rebuild",
    },
}
"""The function that each sample event without an HTTP answer is for."""


def environment(home: Path) -> dict[str, str]:
    """Reads the variables that `eval "$(./shop env)"` gives a shell."""
    script = 'eval "$("$0" env)" && env -0'
    shell = subprocess.run(
        ["bash", "-c", script, ROOT / "shop"],
        env={**os.environ, "SHOP_HOME": str(home)},
        capture_output=True,
        check=True,
    )
    pairs = (entry.partition(b"=")[::2] for entry in shell.stdout.split(b"\0") if entry)
    return {name.decode(): value.decode() for name, value in pairs}


def serverless(home: Path, function: str, *arguments: str, succeeds: bool = True) -> str:
    result = subprocess.run(
        ["npx", "serverless", *arguments],
        cwd=ROOT / "functions" / function,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (result.returncode == 0) is succeeds, result.stdout + result.stderr
    return result.stdout if succeeds else result.stdout + result.stderr


def updated(shop: Shop) -> dict[str, Any]:
    stacks = {stack["StackName"]: stack for stack in shop.client("cloudformation").describe_stacks()["Stacks"]}
    names = {service: f"{service}-local" for service in STACKS}
    return {
        service: stacks[name].get("LastUpdatedTime", stacks[name]["CreationTime"]) for service, name in names.items()
    }


def code_of(shop: Shop, name: str) -> str:
    return str(shop.client("lambda").get_function(FunctionName=name)["Configuration"]["LastModified"])


def test_the_demo_finds_the_purchase_everywhere(shop: Shop) -> None:
    shown = shop.command("demo").stdout
    for system in ("DynamoDB", "PostgreSQL", "S3", "Athena", "X-Ray"):
        assert system in shown


def states(shop: Shop) -> list[str]:
    """Returns the state of each release of shop-query that is kept, the oldest first."""
    return [release.state for release in releases(shop)]


def releases(shop: Shop) -> tuple[FunctionRelease, ...]:
    return history.read(Target.here(Home(shop.home).state()), Service.query).releases


def log_level(shop: Shop) -> str:
    found = shop.client("lambda").get_function_configuration(FunctionName="shop-query-local-api")
    return str(found["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"])


def test_a_function_is_released_taken_back_and_released_again(shop: Shop, tmp_path: Path) -> None:
    """The package is made by one job and released by another. osls by itself would not release again what was uploaded
    last, would keep what has failed, and would go back to it."""
    forget_what_is_live(shop)
    before = updated(shop)
    others = {name: code_of(shop, name) for name in ("shop-command-local-api", "shop-dispatch-local-project")}
    package = ("--package", str(tmp_path / "package"))
    serverless(shop.home, "shop-query", "package", "--stage", "local", *package, "--param", "logLevel=DEBUG")
    assert "./shop rollback shop-query" in shop.command("release", "shop-query", *package).stdout
    after = updated(shop)
    assert {service for service in STACKS if after[service] != before[service]} == {"shop-query"}
    assert {name: code_of(shop, name) for name in others} == others
    assert log_level(shop) == "DEBUG"
    assert states(shop)[-1] == "live"

    shop.command("rollback", "shop-query")
    assert log_level(shop) == "INFO"
    assert states(shop)[-2:] == ["live", "rolled back"]
    deploy = ("deploy", "--stage", "local")
    serverless(shop.home, "shop-query", *deploy, *package)
    assert log_level(shop) == "DEBUG"

    # The emulator knows no alarm that is computed from several metrics.
    unsupported = ("--param", "refusalsAlarm=../../config/refusals-alarm.yml")
    serverless(shop.home, "shop-query", *deploy, *unsupported, succeeds=False)
    assert states(shop)[-2:] == ["live", "failed"]
    failed = str(releases(shop)[-1].timestamp)
    refused = serverless(shop.home, "shop-query", "rollback", "--stage", "local", "--timestamp", failed, succeeds=False)
    assert "was never live: its deployment has failed" in refused
    assert log_level(shop) == "DEBUG"

    give_other_code(shop)
    refused = serverless(shop.home, "shop-query", *deploy, *package, succeeds=False)
    assert "A function has other code than its live release" in refused
    serverless(shop.home, "shop-query", *deploy)
    assert log_level(shop) == "INFO"
    assert "failed" not in states(shop)
    assert shop.request("GET", "/products").status == 200


def forget_what_is_live(shop: Shop) -> None:
    """Leaves the release as a deployment does that was interrupted when its stack had just been updated."""
    stack = {"StackName": "shop-query-local"}
    template = shop.client("cloudformation").get_template(**stack)["TemplateBody"]
    code = next(it["Properties"]["Code"] for it in template["Resources"].values() if it["Type"].endswith("::Function"))
    bucket = shop.client("cloudformation").describe_stack_resource(**stack, LogicalResourceId=history.BUCKET)
    shop.client("s3").delete_object_tagging(
        Bucket=bucket["StackResourceDetail"]["PhysicalResourceId"],
        Key=f"{code['S3Key'].rpartition('/')[0]}/{history.TEMPLATE}",
    )
    assert states(shop)[-1] == "live"
    assert releases(shop)[-1].live_since is None


def give_other_code(shop: Shop) -> None:
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("shop_query/other.py", "")
    shop.client("lambda").update_function_code(FunctionName="shop-query-local-api", ZipFile=other.getvalue())


@pytest.fixture(scope="module")
def printed(shop: Shop) -> dict[tuple[str, str], str]:
    """What each sample event's local invocation prints: of one function in order, the functions side by side."""

    def invoke_all(service: str) -> dict[tuple[str, str], str]:
        names = {**dict.fromkeys(ANSWERS.get(service, ()), "api"), **OTHERS.get(service, {})}
        local = ("--stage", "local", "--path")
        return {
            (service, event): serverless(
                shop.home, service, "invoke", "local", "-f", name, *local, f"events/{event}.json"
            )
            for event, name in names.items()
        }

    with ThreadPoolExecutor() as pool:
        return {key: text for part in pool.map(invoke_all, sorted({*ANSWERS, *OTHERS})) for key, text in part.items()}


@pytest.mark.parametrize(
    ("service", "event", "status"),
    [(service, event, status) for service, events in ANSWERS.items() for event, status in events.items()],
)
def test_a_sample_request_is_answered_by_a_local_invocation(
    printed: dict[tuple[str, str], str], service: str, event: str, status: int
) -> None:
    assert answer_in(printed[service, event])["statusCode"] == status


@pytest.mark.parametrize(
    ("service", "event"), [(service, event) for service, events in OTHERS.items() for event in events]
)
def test_a_sample_batch_is_taken_by_a_local_invocation(
    printed: dict[tuple[str, str], str], service: str, event: str
) -> None:
    assert "errorMessage" not in printed[service, event]


def test_every_sample_event_is_invoked_by_a_test() -> None:
    services = {*ANSWERS, *OTHERS}
    invoked = {service: {*ANSWERS.get(service, {}), *OTHERS.get(service, {})} for service in services}
    present = {
        folder.parent.name: {path.stem for path in folder.glob("*.json")} for folder in ROOT.glob("functions/*/events")
    }
    assert present == invoked


def test_a_read_and_a_batch_run_with_no_aws_at_all(tmp_path: Path) -> None:
    home = tmp_path / "no-aws"
    run_shop(home, "up", "--no-aws", "--detach")
    try:
        assert not [name for name in environment(home) if name == "AWS_ENDPOINT_URL"]
        offline = ("--stage", "offline", "--path")
        batch = ("invoke", "local", "-f", "project", *offline, "events/project-product-listed.json")
        serverless(home, "shop-dispatch", *batch)
        read = ("invoke", "local", "-f", "api", *offline, "events/list-products.json")
        answer = answer_in(serverless(home, "shop-query", *read))
        assert answer["statusCode"] == 200
        assert len(json.loads(answer["body"])["items"]) == 1
    finally:
        run_shop(home, "down")


def answer_in(printed: str) -> dict[str, Any]:
    """The handler's result: the JSON object that ends what `invoke local` prints, after the log lines."""
    answer: dict[str, Any] = json.loads(printed[printed.index("\n{\n") :] if not printed.startswith("{\n") else printed)
    return answer
