"""Looks at the account before anything is deployed to it: whose it is, and how many functions it may run at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from shop_cli.errors import ShopError
from shop_cli.local.build import FUNCTIONS
from shop_cli.local.home import CHECKOUT
from shop_cli.target import Target

UNRESERVED_MIN: Final = 100
"""AWS keeps so many for the functions that reserve nothing.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
COMFORTABLE: Final = 100
"""With less, which new accounts have, a busy stage without reservations throttles its own customers."""
DEFAULT_QUOTA: Final = 1_000
QUOTA: Final = "L-B99A9384"  # Lambda's concurrent executions
PARAMETER: Final = re.compile(r"\$\{param:(\w+), null\}")


@dataclass(frozen=True)
class Account:
    number: str
    caller: str
    region: str


def identify(target: Target) -> Account:
    try:
        sts = target.client("sts")
        found = sts.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise ShopError(
            f"AWS does not know who you are ({error}). Sign in, for example with `aws sso login`, and name the profile "
            "in AWS_PROFILE"
        ) from error
    return Account(found["Account"], found["Arn"], sts.meta.region_name)


def check_concurrency(target: Target) -> str:
    """Returns what the account may run, in words. Raises ShopError when the stage reserves more than is free.

    A stack whose functions reserve too much fails in the middle of its deployment, and CloudFormation rolls it back.
    """
    functions = target.client("lambda")
    limits = functions.get_account_settings()["AccountLimit"]
    limit, unreserved = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    wanted = reservations(target.stage)
    of_others = limit - unreserved - sum(_reserved(functions, name) for name in wanted)
    needed = sum(wanted.values()) + of_others + UNRESERVED_MIN
    if wanted and limit < needed:
        region = functions.meta.region_name
        raise ShopError(
            f"Stage {target.stage} reserves {sum(wanted.values())} concurrent executions of Lambda, other functions "
            f"{of_others}, and AWS keeps {UNRESERVED_MIN} for those that reserve none. That makes {needed}, and the "
            f"account may have {limit} in {region}. Ask for {max(needed, DEFAULT_QUOTA):,}, AWS's default for accounts "
            f"that are not new:\n  aws service-quotas request-service-quota-increase --region {region} "
            f"--service-code lambda --quota-code {QUOTA} --desired-value {max(needed, DEFAULT_QUOTA)}\n"
            "AWS may take days. Another stage, such as dev, reserves none"
        )
    if limit < COMFORTABLE:
        return f"{limit} concurrent executions, enough to try the shop: ask for {DEFAULT_QUOTA:,} before customers come"
    return f"{limit:,} concurrent executions, of which the stage reserves {sum(wanted.values())}"


def reservations(stage: str) -> dict[str, int]:
    """Returns what the stage's functions reserve, by their names, as their stacks say it."""
    found: dict[str, int] = {}
    for service in FUNCTIONS:
        settings = yaml.safe_load((CHECKOUT / "functions" / service / "serverless.yml").read_text())
        parameters = settings["params"]["default"] | settings["params"].get(stage, {})
        for name, function in settings["functions"].items():
            given = PARAMETER.fullmatch(str(function.get("reservedConcurrency", "")))
            if given and (number := parameters.get(given[1])) is not None:
                found[f"{service}-{stage}-{name}"] = int(number)
    return found


def _reserved(functions: Any, name: str) -> int:
    """Returns what is reserved already: 0 for a function that an earlier deployment has not made."""
    try:
        return int(functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", 0))
    except functions.exceptions.ResourceNotFoundException:
        return 0
