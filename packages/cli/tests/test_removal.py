"""`shop remove` against moto, and against stubs where moto can't fail: Lambda's interfaces, deletions of stacks."""

import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from typer.testing import CliRunner, Result

from shop_cli.errors import ShopError
from shop_cli.local.build import CHECKOUT
from shop_cli.main import app
from shop_cli.operations.removal import leftovers, stacks
from shop_cli.operations.removal.stacks import Resource, Stack
from shop_cli.progress import ProgressStep

STEP = ProgressStep("test")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield


def deploy(service: str, stage: str, *, policy: str = "Delete", protected: bool = False) -> str:
    """Makes a stack with a bucket of two versions and a delete marker, and returns the bucket's name."""
    table = {
        "DeletionProtectionEnabled": protected,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    }
    resources = {
        "Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": policy},
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": table},
    }
    cloudformation: Any = boto3.client("cloudformation")
    cloudformation.create_stack(StackName=f"{service}-{stage}", TemplateBody=json.dumps({"Resources": resources}))
    found = cloudformation.describe_stack_resource(StackName=f"{service}-{stage}", LogicalResourceId="Bucket")
    bucket = str(found["StackResourceDetail"]["PhysicalResourceId"])
    storage: Any = boto3.client("s3")
    storage.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    storage.put_object(Bucket=bucket, Key="events/1", Body=b"one")
    storage.put_object(Bucket=bucket, Key="events/1", Body=b"two")
    storage.delete_object(Bucket=bucket, Key="events/1")
    return bucket


def remove(stage: str, *arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["remove", "--stage", stage, *arguments], input=typed)


def names(service: str, operation: str, key: str, name: str) -> set[str]:
    client: Any = boto3.client(service)  # type: ignore[call-overload]
    return {it[name] for page in client.get_paginator(operation).paginate() for it in page[key]}


def stages() -> set[str]:
    return names("cloudformation", "list_stacks", "StackSummaries", "StackName")


def test_a_stage_goes_with_all_that_is_its_own_and_no_other_stage_does(aws: None) -> None:
    for stage in ("dev", "dev-2"):
        for service in ("shop-platform", "shop-dispatch", "shop-query", "shop-command"):
            deploy(service, stage)
        parameters: Any = boto3.client("ssm")
        for number in range(leftovers.PARAMETERS_MAX + 1):
            parameters.put_parameter(Name=f"/shop/{stage}/key-{number}", Value="secret", Type="SecureString")
        for name in log_groups(stage):
            boto3.client("logs").create_log_group(logGroupName=name)
        snapshot(stage)
    buckets = boto3.client("s3")
    kept = {f"{bucket['Name']}" for bucket in buckets.list_buckets()["Buckets"] if "-dev-2-" in bucket["Name"]}
    result = remove("dev", typed="dev\n")
    assert result.exit_code == 0, result.output
    assert {bucket["Name"] for bucket in buckets.list_buckets()["Buckets"]} == kept
    assert len(names("ssm", "describe_parameters", "Parameters", "Name")) == leftovers.PARAMETERS_MAX + 1
    assert names("logs", "describe_log_groups", "logGroups", "logGroupName") == log_groups("dev-2")
    assert "kept  the database's snapshot dev-snapshot\n" in result.output
    assert "dev-2-snapshot" not in result.output
    assert remove("dev", "--yes", "dev").exit_code == 0  # as after an interruption, when nothing is left to do


def log_groups(stage: str) -> set[str]:
    return {f"/aws/lambda/shop-query-{stage}-api", f"/aws/rds/cluster/shop-{stage}/postgresql"}


def snapshot(stage: str) -> None:
    database: Any = boto3.client("rds")
    tags = [{"Key": "project", "Value": "shop"}, {"Key": "stage", "Value": stage}]
    identity = {"MasterUsername": "master", "MasterUserPassword": "password", "Engine": "aurora-postgresql"}
    database.create_db_cluster(DBClusterIdentifier=f"{stage}-cluster", **identity)
    database.create_db_cluster_snapshot(
        DBClusterIdentifier=f"{stage}-cluster", DBClusterSnapshotIdentifier=f"{stage}-snapshot", Tags=tags
    )


@pytest.mark.parametrize("stage", ["", "local", "offline"])
def test_the_shop_on_this_machine_is_not_removed_like_a_stage(stage: str) -> None:
    result = remove(stage, "--yes", stage)
    assert result.exit_code == 2
    assert "./shop down --delete" in result.stderr


@pytest.mark.parametrize(("arguments", "typed"), [((), "production\n"), (("--yes", "de"), None)])
def test_another_name_than_that_of_the_stage_removes_nothing(
    aws: None, arguments: tuple[str, ...], typed: str | None
) -> None:
    deploy("shop-query", "dev")
    result = remove("dev", *arguments, typed=typed)
    assert result.exit_code == 2
    assert "Nothing was removed" in result.stderr
    assert stages() == {"shop-query-dev"}


def test_a_protected_stage_keeps_its_functions_too(aws: None) -> None:
    deploy("shop-platform", "production", protected=True)
    bucket = deploy("shop-command", "production")
    result = remove("production", "--yes", "production")
    assert result.exit_code == 1
    assert "is protected from being deleted: the table shop-platform-production-Table-" in result.stderr
    assert boto3.client("s3").list_object_versions(Bucket=bucket)["Versions"]


PROTECTED = {
    "dynamodb": {"Table": {"DeletionProtectionEnabled": True}},
    "rds": {"DBClusters": [{"DeletionProtection": True}]},
    "cognito-idp": {"UserPool": {"DeletionProtection": "ACTIVE"}},
}


class Protected:
    """Answers about every resource that it is protected."""

    def client(self, service: str) -> Any:
        answer = PROTECTED[service]
        describe = {"describe_table": answer, "describe_db_clusters": answer, "describe_user_pool": answer}
        return type("Client", (), {name: lambda _, _answer=answer, **__: _answer for name in describe})()


def test_each_kind_of_protection_is_found() -> None:
    types = ("AWS::DynamoDB::Table", "AWS::RDS::DBCluster", "AWS::Cognito::UserPool", "AWS::S3::Bucket")
    resources = tuple(Resource(name, name, name, is_kept=False) for name in types)
    stack = Stack("shop-platform-dev", "id", "UPDATE_COMPLETE", is_protected=True, resources=resources)
    found = list(stacks.protections(Protected(), stack))  # type: ignore[arg-type]
    assert [each.rpartition(" ")[2] for each in found] == ["shop-platform-dev", *types[:3]]


def test_what_the_stage_keeps_stays_with_its_content_and_is_named(aws: None) -> None:
    bucket = deploy("shop-platform", "trial", policy="Retain")
    result = remove("trial", "--yes", "trial")
    assert f"kept  AWS::S3::Bucket {bucket}" in result.output
    assert boto3.client("s3").list_object_versions(Bucket=bucket)["Versions"]


class Script:
    """Answers each operation with its next answer, and writes down what was asked."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def client(self, _: str) -> "Script":
        return self

    def __getattr__(self, operation: str) -> Any:
        def answer(**_: Any) -> Any:
            self.asked.append(operation)
            return self.answers[operation].pop(0)

        return answer


def stack(*resources: Resource) -> Stack:
    return Stack("shop-platform-dev", "arn:stack", "UPDATE_COMPLETE", is_protected=False, resources=resources)


def status(name: str) -> dict[str, Any]:
    return {"Stacks": [{"StackStatus": name}]}


def test_a_stack_that_failed_to_go_is_tried_again() -> None:
    statuses = [status(name) for name in ("DELETE_IN_PROGRESS", "DELETE_FAILED", "DELETE_COMPLETE")]
    script = Script(describe_stacks=statuses, delete_stack=[{}])
    assert stacks.end(script, stack(), STEP, sleep=lambda _: None) == "deleted"  # type: ignore[arg-type]
    assert script.asked.count("delete_stack") == 1


def test_a_stack_that_never_goes_tells_why() -> None:
    failed = {"LogicalResourceId": "SubnetA", "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "in use"}
    script = Script(
        describe_stacks=[status("DELETE_FAILED")] * stacks.ATTEMPTS_MAX,
        delete_stack=[{}] * stacks.ATTEMPTS_MAX,
        describe_stack_events=[{"StackEvents": [failed]}],
    )
    with pytest.raises(ShopError, match="could not be deleted: SubnetA: in use"):
        stacks.end(script, stack(), STEP, sleep=lambda _: None)  # type: ignore[arg-type]


def test_subnets_are_deleted_once_lambda_has_left_them(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}]}
    subnet = stack(Resource("SubnetA", "subnet-1", "AWS::EC2::Subnet", is_kept=False))
    script = Script(describe_network_interfaces=[held, held, {"NetworkInterfaces": []}])
    assert stacks.wait_for_interfaces(script, subnet, STEP, sleep=lambda _: None) == "none is left"  # type: ignore[arg-type]
    monkeypatch.setattr(stacks, "INTERFACE_SECONDS_MAX", -1)
    script = Script(describe_network_interfaces=[held])
    with pytest.raises(ShopError, match="still holds eni-1"):
        stacks.wait_for_interfaces(script, subnet, STEP, sleep=lambda _: None)  # type: ignore[arg-type]


def test_an_interruption_says_how_to_go_on(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    deploy("shop-query", "dev")
    monkeypatch.setattr(stacks, "begin", interrupt)
    result = remove("dev", "--yes", "dev")
    assert result.exit_code == 130
    assert "The same command goes on: ./shop remove --stage dev" in result.output


def test_no_functions_name_has_a_hyphen_by_which_two_stages_logs_are_told_apart() -> None:
    for file in CHECKOUT.glob("functions/*/serverless.yml"):
        assert all(re.fullmatch("[a-z]+", name) for name in yaml.safe_load(file.read_text())["functions"])
