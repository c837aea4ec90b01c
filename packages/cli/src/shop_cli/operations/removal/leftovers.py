"""Finds and deletes what a stage leaves behind beside its stacks, and nothing of another stage, whatever its name."""

from __future__ import annotations

import re
from typing import Final

from shop_cli.target import Target

PARAMETERS_MAX: Final = 10
"""SSM deletes no more at once."""


def delete_parameters(target: Target) -> str:
    parameters = target.client("ssm")
    pages = parameters.get_paginator("get_parameters_by_path").paginate(Path=f"/shop/{target.stage}", Recursive=True)
    names = [it["Name"] for page in pages for it in page["Parameters"]]
    for start in range(0, len(names), PARAMETERS_MAX):
        parameters.delete_parameters(Names=names[start : start + PARAMETERS_MAX])
    return ", ".join(names) or "none"


def delete_log_groups(target: Target) -> str:
    """Lambda makes a function's log group again when a last line comes after the stack has deleted it."""
    logs = target.client("logs")
    # No function's name has a hyphen, so that dev is not taken for the beginning of dev-2.
    own = re.compile(
        rf"/aws/lambda/shop-(command|query|dispatch)-{re.escape(target.stage)}-[a-z]+"
        rf"|/aws/rds/cluster/shop-(platform-)?{re.escape(target.stage)}(-databasecluster-[a-z0-9]+)?/postgresql"
    )
    names = [
        it["logGroupName"]
        for prefix in ("/aws/lambda/shop-", "/aws/rds/cluster/shop-")
        for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        for it in page["logGroups"]
        if own.fullmatch(it["logGroupName"])
    ]
    for name in names:
        logs.delete_log_group(logGroupName=name)
    return ", ".join(names) or "none"


def snapshots(target: Target) -> list[str]:
    """Finds the snapshots that a deleted cluster has left, which cost money until somebody deletes them."""
    pages = target.client("rds").get_paginator("describe_db_cluster_snapshots").paginate(SnapshotType="manual")
    own = [{"Key": "project", "Value": "shop"}, {"Key": "stage", "Value": target.stage}]
    return [
        it["DBClusterSnapshotIdentifier"]
        for page in pages
        for it in page["DBClusterSnapshots"]
        if all(tag in it.get("TagList", []) for tag in own)
    ]
