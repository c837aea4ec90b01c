"""The releases of one function's stack, as its deployment bucket has them. config/releases.js writes the tags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import ClientError

from shop_cli.errors import ShopError
from shop_cli.target import Target

BUCKET: Final = "ServerlessDeploymentBucket"
TEMPLATE: Final = "compiled-cloudformation-template.json"


class Service(StrEnum):
    command = "shop-command"
    query = "shop-query"
    dispatch = "shop-dispatch"


@dataclass(frozen=True)
class FunctionRelease:
    timestamp: int
    """It was packaged at this moment, in milliseconds, and osls knows it by that."""
    live_since: int | None = None
    """It came to be live at this moment for the last time. A deployment that failed has none."""
    is_withdrawn: bool = False
    is_live: bool = False

    @property
    def state(self) -> str:
        if self.is_live:
            return "live"
        if self.live_since is None:
            return "failed"
        return "rolled back" if self.is_withdrawn else ""


@dataclass(frozen=True)
class ReleaseHistory:
    service: Service
    releases: tuple[FunctionRelease, ...]
    """The oldest is the first."""

    @property
    def live(self) -> FunctionRelease | None:
        return next((release for release in self.releases if release.is_live), None)

    @property
    def previous(self) -> FunctionRelease | None:
        """Returns what was live before, except for what was rolled back."""
        usable = (it for it in self.releases if it.live_since and not it.is_live and not it.is_withdrawn)
        return max(usable, key=lambda release: release.live_since or 0, default=None)

    def at(self, timestamp: int) -> FunctionRelease:
        """Raises ShopError for what is not kept, and for a deployment that failed."""
        found = next((release for release in self.releases if release.timestamp == timestamp), None)
        if found is None or found.live_since is None:
            problem = "is not kept" if found is None else "was never live: its deployment has failed"
            raise ShopError(
                f"The release {timestamp} {problem}. ./shop releases {self.service} lists those to go back to"
            )
        return found


def read(target: Target, service: Service) -> ReleaseHistory:
    """Raises ShopError if the service has never been deployed."""
    cloudformation, storage, stack = target.client("cloudformation"), target.client("s3"), f"{service}-{target.stage}"
    try:
        resource = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=BUCKET)
    except ClientError as error:
        raise ShopError(f"The stack {stack} could not be read, so deploy the whole stage first ({error})") from error
    bucket = resource["StackResourceDetail"]["PhysicalResourceId"]
    live = _live(cloudformation.get_template(StackName=stack)["TemplateBody"])
    prefix = f"serverless/{service}/{target.stage}/"
    releases = []
    for page in storage.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
        for folder in (found["Prefix"] for found in page.get("CommonPrefixes", [])):
            timestamp, _, is_release = folder.removeprefix(prefix).partition("-")
            if is_release and timestamp.isdigit():
                tags = _tags(storage, bucket, folder)
                since = int(tags["live"]) if "live" in tags else None
                releases.append(FunctionRelease(int(timestamp), since, "withdrawn" in tags, folder == live))
    return ReleaseHistory(service, tuple(sorted(releases, key=lambda release: release.timestamp)))


def _live(template: dict[str, Any]) -> str:
    """Returns the folder that the stack's functions have their code from. All have it from the same."""
    functions = (it for it in template["Resources"].values() if it["Type"] == "AWS::Lambda::Function")
    return next((f"{it['Properties']['Code']['S3Key'].rpartition('/')[0]}/" for it in functions), "")


def _tags(storage: Any, bucket: str, folder: str) -> dict[str, str]:
    try:
        found = storage.get_object_tagging(Bucket=bucket, Key=folder + TEMPLATE)["TagSet"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return {}
    return {tag["Key"]: tag["Value"] for tag in found}


def moment(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
