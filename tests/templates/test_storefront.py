"""What the storefront's stack must keep: its policy, its origins, and what a stage's own settings change."""

import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

Template = dict[str, Any]
Templates = dict[str, Template]
Packaged = Callable[[str], Templates]
Serverless = Callable[..., subprocess.CompletedProcess[str]]


def properties(templates: Templates, name: str) -> dict[str, Any]:
    found: dict[str, Any] = templates["shop-platform"]["Resources"][name]["Properties"]
    return found


def directives(policy: str) -> dict[str, str]:
    return {name: sources for name, _, sources in (each.partition(" ") for each in policy.split("; "))}


@pytest.mark.parametrize("stage", ["production", "local"])
def test_the_distribution_never_answers_an_error_with_a_page(packaged: Packaged, stage: str) -> None:
    distribution = properties(packaged(stage), "Distribution")["DistributionConfig"]
    assert all(set(it) == {"ErrorCode", "ErrorCachingMinTTL"} for it in distribution["CustomErrorResponses"])
    assert "DefaultRootObject" not in distribution
    assert {it["PathPattern"]: it["TargetOriginId"] for it in distribution["CacheBehaviors"]} == {
        "/api/*": "api",
        "/assets/*": "files",
        "/media/*": "files",
    }


def test_no_error_is_kept_so_that_none_hides_what_a_command_has_just_made(production: Templates) -> None:
    """CloudFront keeps these for 10 s by itself, also where nothing else is cached."""
    rules = properties(production, "Distribution")["DistributionConfig"]["CustomErrorResponses"]
    assert {it["ErrorCode"]: it["ErrorCachingMinTTL"] for it in rules} == dict.fromkeys(
        (404, 414, 500, 501, 502, 503, 504), 0
    )


def test_what_crosses_the_network_is_encrypted(production: Templates) -> None:
    distribution = properties(production, "Distribution")["DistributionConfig"]
    behaviors = [distribution["DefaultCacheBehavior"], *distribution["CacheBehaviors"]]
    assert {it["ViewerProtocolPolicy"] for it in behaviors} == {"redirect-to-https"}
    [api] = [it for it in distribution["Origins"] if it["Id"] == "api"]
    assert api["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"


def test_the_bucket_is_read_by_this_distribution_alone(production: Templates) -> None:
    [statement] = properties(production, "WebBucketPolicy")["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert set(statement["Action"]) == {"s3:GetObject", "s3:ListBucket"}
    source = statement["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"]
    assert source.endswith(":distribution/${Distribution}")


def test_only_superseded_scripts_expire(production: Templates) -> None:
    rules = properties(production, "WebBucket")["LifecycleConfiguration"]["Rules"]
    assert [it for it in rules if "ExpirationInDays" in it] == [
        {
            "Id": "superseded",
            "Status": "Enabled",
            "Prefix": "assets/",
            "TagFilters": [{"Key": "superseded", "Value": "true"}],
            "ExpirationInDays": 30,
        }
    ]


def test_the_policy_knows_no_host_but_the_user_pools(production: Templates) -> None:
    headers = properties(production, "PageHeaders")["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    policy = directives(headers["ContentSecurityPolicy"]["ContentSecurityPolicy"]["Fn::Sub"])
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["font-src"] == "'self'"
    assert re.findall(r"https://(\S+)", " ".join(policy.values())) == [
        "shop-production-${AWS::AccountId}.auth.${AWS::Region}.amazoncognito.com",
        "cognito-idp.${AWS::Region}.${AWS::URLSuffix}",
    ]
    assert policy["require-trusted-types-for"] == "'script'"


def test_a_stage_has_a_domain_and_cards_of_its_own_by_parameters(serverless: Serverless) -> None:
    given = {
        "webDomain": "shop.example.com",
        "webCertificate": "arn:aws:acm:us-east-1:1:certificate/1",
        "stripeKey": "pk_1",
    }
    parameters = [word for name, value in given.items() for word in ("--param", f"{name}={value}")]
    done = serverless("shop-platform", "print", "--stage", "production", *parameters)
    assert done.returncode == 0, done.stdout + done.stderr
    storefront = yaml.safe_load(done.stdout)["custom"]["storefront"]
    assert storefront["url"] == "https://shop.example.com"
    assert storefront["aliases"] == ["shop.example.com"]
    assert storefront["certificate"]["AcmCertificateArn"] == given["webCertificate"]
    assert storefront["signedInUrls"] == ["https://shop.example.com/signed-in"]
    policy = directives(storefront["contentSecurityPolicy"]["Fn::Sub"])
    assert policy["script-src"] == "'self' https://js.stripe.com"
    assert policy["frame-src"] == "https://js.stripe.com https://hooks.stripe.com"


def test_the_browser_is_told_everything_by_the_stack_and_nobody_of_the_local_stage(production: Templates) -> None:
    text = production["shop-platform"]["Outputs"]["WebConfig"]["Value"]["Fn::Sub"]
    assert set(re.findall(r'"(\w+)":', text)) == {"stage", "userPool", "userPoolApi", "clientId", "stripeKey"}


def test_a_refresh_token_is_good_for_a_day_and_once(production: Templates) -> None:
    client = properties(production, "WebClient")
    assert (client["RefreshTokenValidity"], client["TokenValidityUnits"]["RefreshToken"]) == (1, "days")
    assert client["RefreshTokenRotation"]["Feature"] == "ENABLED"
    # With rotation, AWS refuses the flow that would give tokens without replacing it.
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in client["ExplicitAuthFlows"]
    assert client["AllowedOAuthFlows"] == ["code"]
    audience = properties(production, "Authorizer")["JwtConfiguration"]["Audience"]
    assert audience == [{"Ref": "UserPoolClient"}, {"Ref": "WebClient"}]
