"""A stage's user pool, as its operators see it and as its clients sign in to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shop_cli.errors import ShopError
from shop_cli.operations.people.srp import SrpProof
from shop_cli.target import Target

ADMIN_GROUP: Final = "admin"
CHALLENGES_MAX: Final = 4
"""A new password and a code follow the proof of the password."""

Ask = Callable[[], str]
Respond = Callable[[dict[str, str]], dict[str, str]]


def not_asked() -> str:
    raise ShopError("The user pool asks for something that is not known here: sign in at its own pages first")


@dataclass(frozen=True)
class PoolUser:
    email: str
    status: str
    is_enabled: bool
    has_second_factor: bool


@dataclass(frozen=True)
class UserPool:
    cognito: Any
    pool_id: str
    client_id: str

    @classmethod
    def of(cls, target: Target) -> UserPool:
        outputs = target.outputs
        return cls(target.client("cognito-idp"), outputs["UserPoolId"], outputs["UserPoolClientId"])

    @property
    def takes_second_factors(self) -> bool:
        found = self.cognito.get_user_pool_mfa_config(UserPoolId=self.pool_id)
        return bool(found.get("MfaConfiguration", "OFF") != "OFF")

    def administrators(self) -> Iterator[PoolUser]:
        pages = self.cognito.get_paginator("list_users_in_group").paginate(
            UserPoolId=self.pool_id, GroupName=ADMIN_GROUP
        )
        for page in pages:
            for user in page["Users"]:
                yield self.person(user["Username"])

    def person(self, username: str) -> PoolUser:
        try:
            found = self.cognito.admin_get_user(UserPoolId=self.pool_id, Username=username)
        except self.cognito.exceptions.UserNotFoundException as error:
            raise ShopError(f"Nobody in the user pool has the address {username}") from error
        attributes = {each["Name"]: each["Value"] for each in found["UserAttributes"]}
        return PoolUser(
            attributes.get("email", username),
            found["UserStatus"],
            bool(found["Enabled"]),
            bool(found.get("UserMFASettingList")),
        )

    def create(self, email: str, *, resend: bool = False) -> bool:
        """Lets Cognito send a temporary password. Returns False if the user is there already."""
        arguments: dict[str, Any] = {"MessageAction": "RESEND"} if resend else {}
        try:
            self.cognito.admin_create_user(
                UserPoolId=self.pool_id,
                Username=email,
                UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
                DesiredDeliveryMediums=["EMAIL"],
                **arguments,
            )
        except self.cognito.exceptions.UsernameExistsException:
            return False
        return True

    def create_silently(self, email: str, password: str) -> None:
        """Makes a user whose password is known, and who gets no message."""
        self.cognito.admin_create_user(
            UserPoolId=self.pool_id,
            Username=email,
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
            MessageAction="SUPPRESS",
        )
        self.cognito.admin_set_user_password(UserPoolId=self.pool_id, Username=email, Password=password, Permanent=True)

    def delete(self, email: str) -> None:
        self.cognito.admin_delete_user(UserPoolId=self.pool_id, Username=email)

    def join_administrators(self, email: str) -> None:
        self.cognito.admin_add_user_to_group(UserPoolId=self.pool_id, Username=email, GroupName=ADMIN_GROUP)

    def leave_administrators(self, email: str) -> None:
        self.cognito.admin_remove_user_from_group(UserPoolId=self.pool_id, Username=email, GroupName=ADMIN_GROUP)

    def sign_in(self, email: str, password: str, *, new_password: Ask = not_asked, code: Ask = not_asked) -> str:
        """Returns an access token. Raises ShopError if the password or what follows it is wrong."""
        proof, cognito = SrpProof(self.pool_id), self.cognito
        responses: dict[str, Respond] = {
            "PASSWORD_VERIFIER": lambda parameters: proof.answer(parameters, password),
            "NEW_PASSWORD_REQUIRED": lambda _: {"NEW_PASSWORD": new_password()},
            "SOFTWARE_TOKEN_MFA": lambda _: {"SOFTWARE_TOKEN_MFA_CODE": code()},
        }
        refused = (cognito.exceptions.NotAuthorizedException, cognito.exceptions.CodeMismatchException)
        try:
            answer = cognito.initiate_auth(
                ClientId=self.client_id,
                AuthFlow="USER_SRP_AUTH",
                AuthParameters={"USERNAME": email, "SRP_A": proof.public},
            )
            for _ in range(CHALLENGES_MAX):
                if "AuthenticationResult" in answer:
                    return str(answer["AuthenticationResult"]["AccessToken"])
                answer = self._respond(answer, email, responses)
        except refused as error:
            raise ShopError(f"{email} could not sign in: {error.response['Error']['Message']}") from error
        raise ShopError(f"{email} could not sign in: Cognito asks for {answer.get('ChallengeName')} again and again")

    def _respond(self, asked: Any, email: str, responses: Mapping[str, Respond]) -> Any:
        name, parameters = asked["ChallengeName"], asked.get("ChallengeParameters", {})
        if name not in responses:
            raise ShopError(f"Cognito asks for {name}, which this command does not know")
        return self.cognito.respond_to_auth_challenge(
            ClientId=self.client_id,
            ChallengeName=name,
            ChallengeResponses={"USERNAME": parameters.get("USER_ID_FOR_SRP", email), **responses[name](parameters)},
            **({"Session": asked["Session"]} if asked.get("Session") else {}),
        )

    def second_factor_secret(self, token: str) -> str:
        return str(self.cognito.associate_software_token(AccessToken=token)["SecretCode"])

    def confirm_second_factor(self, token: str, code: str) -> None:
        """Raises ShopError for a wrong code, after which another one may be tried."""
        try:
            status = self.cognito.verify_software_token(AccessToken=token, UserCode=code)["Status"]
        except self.cognito.exceptions.EnableSoftwareTokenMFAException as error:
            raise ShopError("The code is not the one that the app shows now") from error
        if status != "SUCCESS":
            raise ShopError("The code is not the one that the app shows now")
        self.cognito.set_user_mfa_preference(
            AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
        )
