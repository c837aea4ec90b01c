"""A second opinion on every policy: parliament knows AWS's actions, resources and conditions, and not what we meant."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from parliament import analyze_policy_string

Template = dict[str, Any]
Templates = dict[str, Template]

PSEUDO: Final = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::URLSuffix": "amazonaws.com",
}
ARNS: Final = {
    "AWS::Cognito::UserPool": "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:123456789012:table/{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:us-east-1:123456789012:log-group:{name}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
}
TRUSTS: Final = {
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
    "lambda.amazonaws.com": None,
    # https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#firehose-assume-role
    "firehose.amazonaws.com": {"StringEquals": {"sts:ExternalId": PSEUDO["AWS::AccountId"]}},
}
"""These are the conditions that AWS documents for the trust of a role that the service assumes."""
ACCEPTED: Final = (
    # The network interfaces of a function, with the denial of their use to its code:
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    r"RESOURCE_STAR \['ec2:AssignPrivateIpAddresses', 'ec2:CreateNetworkInterface'",
    r"UNKNOWN_CONDITION_FOR_ACTION Unknown condition lambda:SourceFunctionArn for action ec2:",
    # ListStreams takes no resource, and yet AWS documents it with the others on a stream:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/iam-policy-example-lamda-process-dynamodb-streams.html
    r"IntegrityRole: RESOURCE_MISMATCH \[\{'action': 'dynamodb:ListStreams', 'required_format': '\*'\}\]",
    # The deploy tool makes this policy, in which no variable needs the newer version.
    r"ServerlessDeploymentBucketPolicy: NO_VERSION",
)


def resolved(value: Any, template: Template) -> Any:
    """Returns the value as CloudFormation makes it, with names of our own for what it names."""
    match value:
        case {"Ref": name}:
            return PSEUDO.get(name, name)
        case {"Fn::GetAtt": [name, "Arn"]}:
            return ARNS[template["Resources"][name]["Type"]].format(name=name)
        case {"Fn::Sub": [text, names]}:
            own = {key: resolved(each, template) for key, each in names.items()}
            return re.sub(r"\$\{([^}]+)\}", lambda it: own.get(it[1]) or of_a_text(it[1], template), text)
        case {"Fn::Sub": text}:
            return resolved({"Fn::Sub": [text, {}]}, template)
        case {"Fn::Join": [between, parts]}:
            return between.join(resolved(part, template) for part in parts)
        case dict():
            return {key: resolved(each, template) for key, each in value.items()}
        case list():
            return [resolved(each, template) for each in value]
    return value


def of_a_text(name: str, template: Template) -> str:
    """A variable of Fn::Sub is a resource's name, or an attribute of it after a dot."""
    resource, _, attribute = name.partition(".")
    text: str = resolved({"Fn::GetAtt": [resource, attribute]} if attribute else {"Ref": resource}, template)
    return text


def policies(templates: Templates) -> Iterator[tuple[str, dict[str, Any]]]:
    for service, template in templates.items():
        for name, resource in template["Resources"].items():
            properties = resource["Properties"]
            inline = [it["PolicyDocument"] for it in properties.get("Policies", []) if "PolicyDocument" in it]
            for document in [*inline, *filter(None, [properties.get("PolicyDocument")])]:
                yield f"{service} {name}", resolved(document, template)


def findings(document: dict[str, Any]) -> list[str]:
    # parliament takes an ARN apart at its colons, and the label of a table's stream has some.
    text = re.sub(r"(?<=/stream/)[^\"]+", "label", json.dumps(document))
    return [f"{it.issue} {it.detail}" for it in analyze_policy_string(text).findings]


def test_parliament_finds_nothing_but_what_aws_documents_so(production: Templates) -> None:
    found = [f"{name}: {finding}" for name, document in policies(production) for finding in findings(document)]
    assert [it for it in found if not any(re.search(accepted, it) for accepted in ACCEPTED)] == []
    assert [accepted for accepted in ACCEPTED if not any(re.search(accepted, it) for it in found)] == []


@pytest.mark.parametrize(
    ("action", "resource", "finding"),
    [
        ("s3:GetObjct", "arn:aws:s3:::bucket/*", "UNKNOWN_ACTION"),
        ("dynamodb:Scan", "arn:aws:s3:::bucket", "RESOURCE_MISMATCH"),
        ("kinesis:PutRecords", "*", "RESOURCE_STAR"),
    ],
)
def test_parliament_finds_a_statement_that_grants_nothing_or_too_much(action: str, resource: str, finding: str) -> None:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    assert findings({"Version": "2012-10-17", "Statement": [statement]})[0].startswith(finding)


def test_every_role_is_trusted_in_the_form_that_its_service_documents(production: Templates) -> None:
    trusts = [
        (statement["Principal"]["Service"], statement.get("Condition"))
        for template in production.values()
        for resource in template["Resources"].values()
        if "AssumeRolePolicyDocument" in resource["Properties"]
        for statement in resolved(resource["Properties"]["AssumeRolePolicyDocument"], template)["Statement"]
    ]
    assert [it for it in trusts if it != (it[0], TRUSTS[it[0]])] == []
    assert {service for service, _ in trusts} == set(TRUSTS)
