"""Makes the two people of the local shop, a customer and an administrator, and signs them in."""

from __future__ import annotations

import contextlib

from botocore.exceptions import ClientError

from shop_cli.errors import ShopError
from shop_cli.local import deploy
from shop_cli.local.emulator import client
from shop_cli.local.home import State
from shop_cli.passwords import new_password

PEOPLE = {"customer": "customer@shop.example", "administrator": "administrator@shop.example"}
ADMIN_GROUP = "admin"


def ensure_people(state: State) -> None:
    """Repeats are harmless. The passwords are set anew, so that they are the ones that this shop's folder holds."""
    cognito, pool = client(state, "cognito-idp"), deploy.outputs(state)["UserPoolId"]
    for person, email in PEOPLE.items():
        attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
        with contextlib.suppress(cognito.exceptions.UsernameExistsException):
            cognito.admin_create_user(
                UserPoolId=pool, Username=email, UserAttributes=attributes, MessageAction="SUPPRESS"
            )
        password = state.secret(f"{person}_password", new_password)
        cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=PEOPLE["administrator"], GroupName=ADMIN_GROUP)


def seeded_people(state: State) -> list[dict[str, str]]:
    """Returns them as the storefront's config.json names them."""
    return [
        {
            "name": person,
            "username": email,
            "password": state.secret(f"{person}_password", new_password),
            "role": ADMIN_GROUP if person == "administrator" else "customer",
        }
        for person, email in PEOPLE.items()
    ]


def token(state: State, person: str) -> str:
    """Returns a fresh access token, good for as long as the user pool's client says (an hour by default)."""
    try:
        answer = client(state, "cognito-idp").initiate_auth(
            ClientId=deploy.outputs(state)["UserPoolClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": PEOPLE[person], "PASSWORD": state.secret(f"{person}_password", new_password)},
        )
    except ClientError as error:
        raise ShopError(f"The {person} can't sign in ({error}): run ./shop down, then ./shop up") from error
    return str(answer["AuthenticationResult"]["AccessToken"])
