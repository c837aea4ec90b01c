"""From nothing to a working shop with the one command of docs/deploy.md, as on AWS: the emulator, and stand-ins for
what it lacks. `make rehearsal` runs it."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from shop_cli.errors import ShopError
from shop_cli.local.deploy import stack_outputs
from shop_cli.local.home import CHECKOUT
from shop_cli.operations.people import totp
from shop_cli.operations.people.user_pool import UserPool
from shop_cli.passwords import new_password
from shop_cli.rehearsal_testing import RehearsalAccount

ADA = "ada@shop.example"


@pytest.fixture(scope="session")
def deployed(account: RehearsalAccount) -> str:
    return account.shop("deploy", "--stage", "rehearsal", "--yes", "--administrator", ADA)


def user_pool(account: RehearsalAccount) -> UserPool:
    outputs = stack_outputs(account.client("cloudformation"), "rehearsal")
    return UserPool(account.client("cognito-idp"), outputs["UserPoolId"], outputs["UserPoolClientId"])


def test_one_command_leads_from_nothing_to_a_purchase(deployed: str) -> None:
    assert "API key stored, webhook secret stored" in deployed
    assert "roles shop_owner, shop_dispatch and shop_query" in deployed
    assert "The purchase is in every system." in deployed
    assert "Stage rehearsal is deployed." in deployed


def test_it_waited_for_the_database(deployed: str) -> None:
    assert "waiting for the database: DatabaseResumingException" in deployed


def test_neither_what_it_prints_nor_its_logs_have_a_key(account: RehearsalAccount, deployed: str) -> None:
    written = deployed + "".join(path.read_text() for path in account.home.logs.glob("deploy-*"))
    assert "waiting" in written
    assert account.variables["SHOP_PAYMENT_API_KEY"] not in written
    assert account.variables["SHOP_PAYMENT_WEBHOOK_SECRET"] not in written


def test_somebody_becomes_an_administrator_by_a_second_factor(account: RehearsalAccount, deployed: str) -> None:
    """The emulator checks the proof of the password and the codes with its own implementation."""
    assert "./shop people second-factor ada@shop.example --stage rehearsal" in deployed
    pool = user_pool(account)
    temporary, chosen = new_password(), new_password()
    pool.cognito.admin_set_user_password(UserPoolId=pool.pool_id, Username=ADA, Password=temporary, Permanent=False)
    token = pool.sign_in(ADA, temporary, new_password=lambda: chosen)
    secret = pool.second_factor_secret(token)
    with pytest.raises(ShopError, match="not the one that the app shows"):
        pool.confirm_second_factor(token, "000000")
    pool.confirm_second_factor(token, totp.code_at(secret, time.time()))
    for password in (temporary, chosen):
        with pytest.raises(ShopError, match="could not sign in"):
            pool.sign_in(ADA, password, code=lambda: "000000")
    # The emulator, as Cognito, takes each code once.
    time.sleep(totp.PERIOD_SECONDS - time.time() % totp.PERIOD_SECONDS)
    assert pool.sign_in(ADA, chosen, code=lambda: totp.code_at(secret, time.time()))
    assert "is an administrator" in account.shop("people", "add", ADA, "--stage", "rehearsal")


def test_the_same_command_again_changes_nothing(account: RehearsalAccount, deployed: str) -> None:
    again = account.shop("deploy", "--stage", "rehearsal", "--yes", "--no-demo")
    assert "API key is there, webhook secret is there" in again
    assert ADA in again


def test_the_demonstration_leaves_nobody_behind(account: RehearsalAccount, deployed: str) -> None:
    [api] = re.findall(r"^  API +(\S+)", deployed, re.MULTILINE)
    account.register_webhook(api)
    assert "The purchase is in every system." in account.shop("demo", "--stage", "rehearsal")
    pool = user_pool(account)
    assert len(pool.cognito.list_users(UserPoolId=pool.pool_id)["Users"]) == 1
    assert [person.email for person in pool.administrators()] == [ADA]


def test_one_function_is_released_and_taken_back(account: RehearsalAccount, deployed: str, tmp_path: Path) -> None:
    assert deployed
    package = ("--package", str(tmp_path / "package"), "--stage", "rehearsal")
    command = [str(CHECKOUT / "node_modules" / ".bin" / "serverless"), "package", *package, "--param", "logLevel=DEBUG"]
    subprocess.run(
        command, cwd=CHECKOUT / "functions" / "shop-query", env=account.variables, check=True, capture_output=True
    )

    def log_level() -> str:
        found = account.client("lambda").get_function_configuration(FunctionName="shop-query-rehearsal-api")
        return str(found["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"])

    assert "./shop rollback shop-query --stage rehearsal" in account.shop("release", "shop-query", *package)
    assert log_level() == "DEBUG"
    account.shop("rollback", "shop-query", "--stage", "rehearsal")
    assert log_level() == "INFO"


def test_nothing_is_left_of_a_stage_that_is_removed(account: RehearsalAccount, deployed: str) -> None:
    """It is the last test, because the others need the stage."""
    assert deployed
    account.shop("remove", "--stage", "rehearsal", "--yes", "rehearsal")
    stacks = account.client("cloudformation").list_stacks()["StackSummaries"]
    assert {stack["StackStatus"] for stack in stacks} <= {"DELETE_COMPLETE"}
    assert account.client("s3").list_buckets()["Buckets"] == []
    assert account.client("dynamodb").list_tables()["TableNames"] == []
    assert account.client("lambda").list_functions()["Functions"] == []
    assert account.client("ssm").get_parameters_by_path(Path="/shop", Recursive=True)["Parameters"] == []
    assert "its stacks is left" in account.shop("remove", "--stage", "rehearsal", "--yes", "rehearsal")
