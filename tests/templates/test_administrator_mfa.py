"""An administrator of the other stages' user pool, which the emulator has here, needs a second factor."""

import base64
import hashlib
import hmac
import json
import struct
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from shop_cli.emulator_testing import running_emulator

FOR_THE_EMULATOR: Final = """
on_aws = handler


def handler(event, context):
    details = on_aws(event, context)["response"]["claimsAndScopeOverrideDetails"]
    details["accessTokenGeneration"] = {"groupOverrideDetails": details["groupOverrideDetails"]}
    return event
"""
# The emulator looks for the groups of an access token there, and not where AWS documents them.

NEEDED: Final = ("UserPool", "UserPoolClient", "AdminGroup")
NAME, PASSWORD = "somebody@shop.example", "A-password-1-of-this-test"


@dataclass(frozen=True)
class Pool:
    cognito: Any
    id: str
    client_id: str

    def person(self, *groups: str) -> None:
        user = {"UserPoolId": self.id, "Username": NAME}
        self.cognito.admin_create_user(**user, MessageAction="SUPPRESS")
        self.cognito.admin_set_user_password(**user, Password=PASSWORD, Permanent=True)
        for group in groups:
            self.cognito.admin_add_user_to_group(**user, GroupName=group)

    def sign_in(self, secret: str = "") -> dict[str, str]:
        """Returns tokens. With a secret, the answer to the challenge is made of it."""
        parameters = {"USERNAME": NAME, "PASSWORD": PASSWORD}
        answer = self.cognito.initiate_auth(
            ClientId=self.client_id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters
        )
        if secret:
            assert answer["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
            answer = self.cognito.respond_to_auth_challenge(
                ClientId=self.client_id,
                ChallengeName=answer["ChallengeName"],
                Session=answer["Session"],
                ChallengeResponses={"USERNAME": NAME, "SOFTWARE_TOKEN_MFA_CODE": one_time(secret)},
            )
        tokens: dict[str, str] = answer["AuthenticationResult"]
        return tokens

    def refreshed(self, tokens: dict[str, str]) -> dict[str, str]:
        answer = self.cognito.initiate_auth(
            ClientId=self.client_id,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
        )
        new: dict[str, str] = answer["AuthenticationResult"]
        return new

    def enrol(self, access_token: str) -> str:
        secret: str = self.cognito.associate_software_token(AccessToken=access_token)["SecretCode"]
        self.cognito.verify_software_token(AccessToken=access_token, UserCode=one_time(secret))
        self.cognito.set_user_mfa_preference(
            AccessToken=access_token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
        )
        return secret


def one_time(secret: str) -> str:
    """https://www.rfc-editor.org/rfc/rfc6238"""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def groups(tokens: dict[str, str]) -> list[str]:
    payload = tokens["AccessToken"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["token_use"] == "access"
    return sorted(claims.get("cognito:groups", []))


@pytest.fixture
def pool(production: dict[str, Any]) -> Iterator[Pool]:
    resources = {
        name: deepcopy(resource)
        for name, resource in production["shop-platform"]["Resources"].items()
        if name in NEEDED or name.startswith("AdministratorMfa")
    }
    client = resources["UserPoolClient"]["Properties"]
    client["ExplicitAuthFlows"] = [*client["ExplicitAuthFlows"], "ALLOW_USER_PASSWORD_AUTH"]
    resources["AdministratorMfaFunction"]["Properties"]["Code"]["ZipFile"] += FOR_THE_EMULATOR
    outputs = {name: {"Value": {"Ref": name}} for name in ("UserPool", "UserPoolClient")}
    with running_emulator() as aws:
        cloudformation = aws.client("cloudformation")
        template = json.dumps({"Resources": resources, "Outputs": outputs})
        cloudformation.create_stack(StackName="users", TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
        cloudformation.get_waiter("stack_create_complete").wait(StackName="users", WaiterConfig={"Delay": 1})
        [stack] = cloudformation.describe_stacks(StackName="users")["Stacks"]
        made = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        yield Pool(aws.client("cognito-idp"), made["UserPool"], made["UserPoolClient"])


def test_an_administrator_is_one_only_with_a_second_factor_and_only_while_enabled(pool: Pool) -> None:
    pool.cognito.create_group(UserPoolId=pool.id, GroupName="staff")
    pool.person("admin", "staff")
    first = pool.sign_in()
    assert groups(first) == ["staff"], "without a second factor"
    secret = pool.enrol(first["AccessToken"])
    second = pool.sign_in(secret)
    assert groups(second) == ["admin", "staff"]
    pool.cognito.admin_disable_user(UserPoolId=pool.id, Username=NAME)
    for tokens in (first, second):
        with pytest.raises(ClientError, match="NotAuthorized"):
            pool.refreshed(tokens)


def test_everybody_else_needs_none(pool: Pool) -> None:
    pool.person()
    assert groups(pool.sign_in()) == []
