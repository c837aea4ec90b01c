"""Writes down what of the packaged stacks costs money or sets a limit: bench/stacks.json, by stage and stack.

docs/cost.md and docs/scale.md are computed from it. `python -m bench.stacks` packages the stages without credentials,
and tests/templates/test_cost.py says when the file is stale.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[1]
FILE: Final = Path(__file__).with_name("stacks.json")
STAGES: Final = ("dev", "production")
STACKS: Final = {
    "shop-platform": CHECKOUT,
    **{name: CHECKOUT / "functions" / name for name in ("shop-command", "shop-query", "shop-dispatch")},
}
SETTINGS: Final = {
    "AWS::Lambda::Function": ("MemorySize", "ReservedConcurrentExecutions"),
    "AWS::Lambda::EventSourceMapping": ("BatchSize", "ParallelizationFactor", "MetricsConfig"),
    "AWS::Events::Rule": ("ScheduleExpression",),
    "AWS::Kinesis::Stream": ("StreamModeDetails", "ShardCount", "RetentionPeriodHours"),
    "AWS::RDS::DBCluster": ("ServerlessV2ScalingConfiguration", "ManageMasterUserPassword"),
    "AWS::ApiGatewayV2::Stage": ("DefaultRouteSettings",),
}
"""These properties of each resource of these types are written down."""

Inventory = dict[str, Any]


def inventory(template: Mapping[str, Any]) -> Inventory:
    resources = template["Resources"]
    settings = {
        name: found
        for name, resource in sorted(resources.items())
        if (found := {key: resource["Properties"][key] for key in _settings_of(resource)})
    }
    return {
        "resources": dict(sorted(Counter(resource["Type"] for resource in resources.values()).items())),
        "alarm metrics": sum(map(_alarm_metrics, resources.values())),
        "own metrics go to": sorted(set(filter(None, map(_own_metrics, resources.values())))),
        "settings": settings,
    }


def _settings_of(resource: Mapping[str, Any]) -> list[str]:
    return [name for name in SETTINGS.get(resource["Type"], ()) if name in resource["Properties"]]


def _own_metrics(resource: Mapping[str, Any]) -> str | None:
    found: str | None = resource.get("Properties", {}).get("Environment", {}).get("Variables", {}).get("SHOP_METRICS")
    return found if resource["Type"] == "AWS::Lambda::Function" else None


def _alarm_metrics(resource: Mapping[str, Any]) -> int:
    """An alarm on a computed metric is billed for each metric that goes into it."""
    if resource["Type"] != "AWS::CloudWatch::Alarm":
        return 0
    return sum("MetricStat" in metric for metric in resource["Properties"].get("Metrics", [])) or 1


@cache
def recorded() -> dict[str, dict[str, Inventory]]:
    stages: dict[str, dict[str, Inventory]] = json.loads(FILE.read_text(encoding="utf-8"))
    return stages


def count(stage: str, kind: str) -> int:
    return sum(stack["resources"].get(kind, 0) for stack in recorded()[stage].values())


def alarm_metrics(stage: str) -> int:
    return sum(stack["alarm metrics"] for stack in recorded()[stage].values())


def sends_metrics(stage: str, stack: str) -> bool:
    found: list[str] = recorded()[stage][stack]["own metrics go to"]
    return found != ["logs"]


def setting(stage: str, stack: str, resource: str, name: str) -> Any:
    """Returns None where the template leaves the setting out."""
    return recorded()[stage][stack]["settings"].get(resource, {}).get(name)


def package(stage: str, stack: str, folder: Path) -> Inventory:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SHOP_"))}
    target = folder / stage / stack
    given = (
        "platform=recorded",
        f"python={sys.version_info.major}.{sys.version_info.minor}",
        "throttledRoutes=waiting",
    )
    command = [str(CHECKOUT / "node_modules" / ".bin" / "serverless"), "package", "--stage", stage]
    command += ["--package", str(target), *(word for each in given for word in ("--param", each))]
    subprocess.run(command, cwd=STACKS[stack], env=kept | {"AWS_EC2_METADATA_DISABLED": "true"}, check=True)
    return inventory(json.loads((target / "cloudformation-template-update-stack.json").read_text(encoding="utf-8")))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {stage: {stack: package(stage, stack, Path(folder)) for stack in STACKS} for stage in STAGES}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
