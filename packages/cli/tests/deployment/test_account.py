"""The account is looked at before anything is deployed."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from shop_cli.deployment.account import check_concurrency, identify, reservations
from shop_cli.errors import ShopError
from shop_cli.target import Target


class Functions:
    """Lambda, with an account's limits and what functions reserve already."""

    class exceptions:  # noqa: N801 - as botocore names it
        class ResourceNotFoundException(Exception):  # noqa: N818
            pass

    class meta:  # noqa: N801
        region_name = "eu-central-1"

    def __init__(self, limit: int, reserved: dict[str, int]) -> None:
        self.limit, self.reserved = limit, reserved

    def get_account_settings(self) -> dict[str, Any]:
        unreserved = self.limit - sum(self.reserved.values())
        return {"AccountLimit": {"ConcurrentExecutions": self.limit, "UnreservedConcurrentExecutions": unreserved}}

    def get_function_concurrency(self, *, FunctionName: str) -> dict[str, int]:  # noqa: N803 - boto3's
        if FunctionName not in self.reserved:
            raise self.exceptions.ResourceNotFoundException
        return {"ReservedConcurrentExecutions": self.reserved[FunctionName]}


def checked(monkeypatch: pytest.MonkeyPatch, stage: str, limit: int, **reserved: int) -> str:
    named = {name.replace("_", "-"): count for name, count in reserved.items()}
    monkeypatch.setattr(Target, "client", lambda *_: Functions(limit, named))
    return check_concurrency(Target(stage))


def test_production_reserves_what_its_stacks_say() -> None:
    assert reservations("production") == {
        "shop-command-production-api": 100,
        "shop-query-production-api": 50,
        "shop-dispatch-production-project": 20,
    }
    assert reservations("dev") == reservations("rehearsal") == {}


@pytest.mark.parametrize("limit", [10, 50, 269])
def test_a_stage_that_reserves_more_than_there_is_says_what_to_ask_for(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    with pytest.raises(ShopError) as refused:
        checked(monkeypatch, "production", limit)
    for part in ("reserves 170", f"That makes 270, and the account may have {limit} in eu-central-1", "L-B99A9384"):
        assert part in str(refused.value)
    assert "--region eu-central-1 --service-code lambda" in str(refused.value)


def test_what_an_earlier_deployment_has_reserved_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"shop_command_production_api": 100, "shop_query_production_api": 50, "shop_dispatch_production_project": 20}
    assert (
        checked(monkeypatch, "production", 270, **own) == "270 concurrent executions, of which the stage reserves 170"
    )


def test_what_other_functions_reserve_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ShopError, match=r"other functions 700.*That makes 970"):
        checked(monkeypatch, "production", 900, another_functions=700)


def test_a_stage_without_reservations_is_deployed_to_a_new_account(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "10 concurrent executions, enough to try the shop" in checked(monkeypatch, "dev", 10)


@pytest.mark.parametrize(
    "error", [NoCredentialsError(), ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "X")]
)
def test_who_is_not_signed_in_learns_how(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(Target, "client", refuse)
    with pytest.raises(ShopError, match=r"aws sso login.*AWS_PROFILE"):
        identify(Target("dev"))
