"""How somebody becomes an administrator, against moto's user pool, which asks for SRP's steps and checks no proof."""

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from shop_cli.main import app
from shop_cli.operations.people import totp
from shop_cli.operations.people.command import invite
from shop_cli.operations.people.user_pool import UserPool
from shop_cli.target import Target

EMAIL = "ada@shop.example"


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    with mock_aws():
        cognito = boto3.client("cognito-idp", region_name="us-east-1")
        pool = cognito.create_user_pool(PoolName="shop-dev", UsernameAttributes=["email"], MfaConfiguration="OPTIONAL")[
            "UserPool"
        ]["Id"]
        cognito.set_user_pool_mfa_config(
            UserPoolId=pool, MfaConfiguration="OPTIONAL", SoftwareTokenMfaConfiguration={"Enabled": True}
        )
        client = cognito.create_user_pool_client(
            UserPoolId=pool, ClientName="shop", ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        )["UserPoolClient"]["ClientId"]
        cognito.create_group(UserPoolId=pool, GroupName="admin")
        target = Target("dev")
        outputs = {"UserPoolId": pool, "UserPoolClientId": client, "WebUrl": "https://shop.example"}
        monkeypatch.setattr(Target, "outputs", outputs)
        monkeypatch.setattr(Target, "client", lambda *_: cognito)
        yield target


def shop(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["people", *arguments, "--stage", "dev"], input=typed, env={"COLUMNS": "200"})


def emails(target: Target) -> list[str]:
    return [person.email for person in UserPool.of(target).administrators()]


def test_an_administrator_has_a_second_factor_before_the_right(target: Target) -> None:
    assert "./shop people second-factor ada@shop.example --stage dev" in shop("add", EMAIL).output
    assert "Nobody administers this shop" in shop("list").output
    pool, password = UserPool.of(target), "A-new-password-1"
    pool.cognito.admin_set_user_password(UserPoolId=pool.pool_id, Username=EMAIL, Password=password, Permanent=True)
    done = shop("second-factor", EMAIL, typed=f"{password}\n123456\n")
    assert done.exit_code == 0, done.output
    assert "otpauth://totp/shop%20dev%3Aada%40shop.example?secret=" in done.output
    assert password not in done.output
    assert '"has_second_factor": true' in shop("list", "--json").output
    # With a second factor, an administrator becomes one at once.
    pool.leave_administrators(EMAIL)
    assert invite(target, EMAIL) == f"{EMAIL} is an administrator. Sign in at https://shop.example"
    assert emails(target) == [EMAIL]


def test_whoever_is_removed_stays_a_customer(target: Target) -> None:
    pool = UserPool.of(target)
    pool.create_silently(EMAIL, "A-new-password-1")
    pool.join_administrators(EMAIL)
    assert shop("remove", EMAIL, typed="n\n").exit_code == 1
    assert emails(target) == [EMAIL]
    assert "in 15 minutes" in shop("remove", EMAIL, "--yes").output
    assert emails(target) == []
    assert pool.person(EMAIL).is_enabled


def test_a_stage_without_second_factors_has_administrators_at_once(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UserPool, "takes_second_factors", False)
    assert "needs no second factor" in shop("second-factor", EMAIL).output
    assert "is an administrator" in shop("add", EMAIL).output
    assert emails(target) == [EMAIL]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "ada"], "ada is no e-mail address"),
        (["remove", "bob@shop.example", "--yes"], "Nobody in the user pool has the address bob@shop.example"),
    ],
)
def test_a_wrong_name_is_refused(target: Target, arguments: list[str], message: str) -> None:
    done = shop(*arguments)
    assert (done.exit_code, message in done.output) == (1, True)


def test_a_temporary_password_is_sent_again_only_when_asked_for(target: Target) -> None:
    sent: list[dict[str, Any]] = []
    pool = UserPool.of(target)
    pool.cognito.meta.events.register(
        "provide-client-params.cognito-idp.AdminCreateUser", lambda params, **_: sent.append(params)
    )
    for arguments in (["add", EMAIL], ["add", EMAIL], ["add", EMAIL, "--resend"]):
        assert shop(*arguments).exit_code == 0
    assert [each.get("MessageAction") for each in sent] == [None, None, None, "RESEND"]
    assert {each["DesiredDeliveryMediums"][0] for each in sent} == {"EMAIL"}


class ScriptedCognito:
    """Answers each call with the next of its answers, and keeps the calls."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.calls: list[dict[str, Any]] = []
        self.exceptions = type("E", (), {"NotAuthorizedException": KeyError, "CodeMismatchException": KeyError})

    def initiate_auth(self, **call: Any) -> dict[str, Any]:
        self.calls.append(call)
        return self.answers.pop(0)

    respond_to_auth_challenge = initiate_auth


def test_a_temporary_password_is_replaced_and_a_code_given_on_the_way() -> None:
    verifier = {"SALT": "1f", "SRP_B": "abc", "SECRET_BLOCK": "c2VjcmV0", "USER_ID_FOR_SRP": "the-sub"}
    cognito = ScriptedCognito(
        {"ChallengeName": "PASSWORD_VERIFIER", "ChallengeParameters": verifier},
        {"ChallengeName": "NEW_PASSWORD_REQUIRED", "ChallengeParameters": {}, "Session": "s1"},
        {"ChallengeName": "SOFTWARE_TOKEN_MFA", "ChallengeParameters": {}, "Session": "s2"},
        {"AuthenticationResult": {"AccessToken": "token"}},
    )
    pool = UserPool(cognito, "us-east-1_AbCdEf123", "client")
    token = pool.sign_in(EMAIL, "temporary", new_password=lambda: "new", code=lambda: totp.code_at("AAAA", time.time()))
    assert token == "token"
    replaced, coded = (call["ChallengeResponses"] for call in cognito.calls[2:])
    assert replaced == {"USERNAME": EMAIL, "NEW_PASSWORD": "new"}
    assert len(coded["SOFTWARE_TOKEN_MFA_CODE"]) == 6
    assert [call.get("Session") for call in cognito.calls[2:]] == ["s1", "s2"]
    assert "temporary" not in str(cognito.calls)
