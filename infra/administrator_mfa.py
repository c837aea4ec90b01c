"""Cognito asks this function before it issues or refreshes tokens: without a second factor, nobody is an administrator.

What it raises refuses the tokens.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html
"""

import boto3

ADMINISTRATORS = "admin"

cognito = boto3.client("cognito-idp")


def handler(event, context):  # noqa: ARG001 - Lambda calls it with both
    groups = event["request"]["groupConfiguration"]
    names = groups.get("groupsToOverride") or []
    if ADMINISTRATORS in names:
        user = cognito.admin_get_user(UserPoolId=event["userPoolId"], Username=event["userName"])
        if not user.get("UserMFASettingList"):
            names = [name for name in names if name != ADMINISTRATORS]
    # Cognito takes a missing configuration for no groups at all.
    details = {"groupOverrideDetails": {**groups, "groupsToOverride": names}}
    event["response"] = {"claimsAndScopeOverrideDetails": details}
    return event
