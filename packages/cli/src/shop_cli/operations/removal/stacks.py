"""The stacks of a stage: what protects them, what they keep, and how each is deleted with its buckets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from shop_cli.errors import ShopError
from shop_cli.progress import ProgressStep
from shop_cli.target import Target

ORDER: Final = (("shop-command",), ("shop-query", "shop-dispatch"), ("shop-platform",))
"""The stacks that go at once, in the reverse order of a deployment. Only one at a time may change the API. Functions in
the network share interfaces, for which CloudFormation waits, so the last two go together."""
KEPT: Final = ("Retain", "RetainExceptOnCreate")
ATTEMPTS_MAX: Final = 3
STACK_SECONDS_MAX: Final = 3_600
INTERFACE_SECONDS_MAX: Final = 3_600
"""Lambda removes the network interfaces of deleted functions 20 to 40 minutes later."""
PAUSE_SECONDS: Final = 5.0

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Resource:
    logical_id: str
    physical_id: str
    type: str
    is_kept: bool
    """CloudFormation leaves it where it is when the stack is deleted."""


@dataclass(frozen=True)
class Stack:
    name: str
    id: str
    """CloudFormation finds a deleted stack by its id alone."""
    status: str
    is_protected: bool
    resources: tuple[Resource, ...]

    def of_type(self, name: str) -> list[str]:
        return [resource.physical_id for resource in self.resources if resource.type == name]


def read(target: Target, service: str) -> Stack | None:
    """Returns None when there is no such stack, or no more."""
    cloudformation, name = target.client("cloudformation"), f"{service}-{target.stage}"
    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    template = cloudformation.get_template(StackName=name)["TemplateBody"]["Resources"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return Stack(
        name,
        found["StackId"],
        found["StackStatus"],
        found.get("EnableTerminationProtection", False),
        tuple(
            Resource(
                it["LogicalResourceId"],
                it["PhysicalResourceId"],
                it["ResourceType"],
                template.get(it["LogicalResourceId"], {}).get("DeletionPolicy") in KEPT,
            )
            for page in pages
            for it in page["StackResourceSummaries"]
            if it.get("PhysicalResourceId") and it["ResourceStatus"] not in ("DELETE_COMPLETE", "DELETE_SKIPPED")
        ),
    )


def protections(target: Target, stack: Stack) -> Iterator[str]:
    """Yields what of a stack can't be deleted before somebody takes its protection away."""
    if stack.is_protected:
        yield f"the stack {stack.name}"
    for table in stack.of_type("AWS::DynamoDB::Table"):
        if target.client("dynamodb").describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
            yield f"the table {table}"
    for cluster in stack.of_type("AWS::RDS::DBCluster"):
        found = target.client("rds").describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
        if found[0]["DeletionProtection"]:
            yield f"the database cluster {cluster}"
    for pool in stack.of_type("AWS::Cognito::UserPool"):
        found = target.client("cognito-idp").describe_user_pool(UserPoolId=pool)["UserPool"]
        if found.get("DeletionProtection") == "ACTIVE":
            yield f"the user pool {pool}"


def begin(target: Target, stack: Stack, step: ProgressStep) -> None:
    """Empties the stack's buckets and asks CloudFormation to delete it."""
    for resource in stack.resources:
        if resource.type == "AWS::S3::Bucket" and not resource.is_kept:
            step.doing(f"emptying {resource.physical_id}")
            empty(target.client("s3"), resource.physical_id)
    target.client("cloudformation").delete_stack(StackName=stack.id)


def end(target: Target, stack: Stack, step: ProgressStep, sleep: Sleep = time.sleep) -> str:
    """Waits until the stack is deleted, and begins again where that failed. Raises ShopError when it still fails."""
    cloudformation = target.client("cloudformation")
    for attempt in range(1, ATTEMPTS_MAX + 1):
        if _status_at_the_end(cloudformation, stack, step, sleep) == "DELETE_COMPLETE":
            return "deleted"
        if attempt < ATTEMPTS_MAX:  # Firehose may have written to a bucket after it was empty.
            begin(target, stack, step)
    raise ShopError(f"{stack.name} could not be deleted: {'; '.join(_failures(cloudformation, stack))}")


def empty(storage: Any, bucket: str) -> None:
    """Deletes every version of every object. A bucket that is not there any more is empty."""
    pages = storage.get_paginator("list_object_versions").paginate(Bucket=bucket)
    try:
        for page in pages:
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            keys = [{"Key": it["Key"], "VersionId": it["VersionId"]} for it in found]
            if not keys:
                continue
            refused = storage.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True}).get("Errors")
            if refused:
                raise ShopError(f"{refused[0]['Key']} in {bucket} could not be deleted: {refused[0]['Message']}")
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise


def wait_for_interfaces(target: Target, stack: Stack, step: ProgressStep, sleep: Sleep = time.sleep) -> str:
    """Waits until Lambda has given back the subnets, which can't be deleted before. Raises ShopError if it does not."""
    subnets = stack.of_type("AWS::EC2::Subnet")
    filters = [{"Name": "subnet-id", "Values": subnets}, {"Name": "interface-type", "Values": ["lambda"]}]
    interfaces, deadline = target.client("ec2"), time.monotonic() + INTERFACE_SECONDS_MAX
    while True:
        found = interfaces.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        if not found:
            return "none is left"
        if time.monotonic() > deadline:
            ids = ", ".join(it["NetworkInterfaceId"] for it in found)
            raise ShopError(f"Lambda still holds {ids} after {INTERFACE_SECONDS_MAX // 60} minutes")
        step.doing(f"{len(found)} still hold the subnets; Lambda takes 20 to 40 minutes to give them back")
        sleep(PAUSE_SECONDS)


def _status_at_the_end(cloudformation: Any, stack: Stack, step: ProgressStep, sleep: Sleep) -> str:
    deadline = time.monotonic() + STACK_SECONDS_MAX
    while True:
        status = str(cloudformation.describe_stacks(StackName=stack.id)["Stacks"][0]["StackStatus"])
        if status in ("DELETE_COMPLETE", "DELETE_FAILED"):
            return status
        if time.monotonic() > deadline:
            raise ShopError(f"{stack.name} is {status} after {STACK_SECONDS_MAX // 60} minutes")
        step.doing(f"{stack.name}: {status}; functions in a network take 20 to 40 minutes")
        sleep(PAUSE_SECONDS)


def _failures(cloudformation: Any, stack: Stack) -> Iterator[str]:
    for event in cloudformation.describe_stack_events(StackName=stack.id)["StackEvents"]:
        if event["ResourceStatus"] == "DELETE_FAILED":
            yield f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason is given')}"
