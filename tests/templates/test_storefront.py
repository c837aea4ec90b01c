"""What the storefront's stack must keep: its policy, its origins, and what a stage's own settings change."""

import json
import re
import subprocess
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml

from shop_http.answers import SHARED_SECONDS

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
        "/api/products*": "api",
        "/api/categories": "api",
        "/api/*": "api",
        "/assets/*": "files",
        "/media/*": "files",
    }


COMMANDS = {"OPTIONS", "PUT", "PATCH", "POST", "DELETE"}


def behavior_of(templates: Templates, path: str) -> dict[str, Any]:
    """CloudFront takes the first behaviour whose pattern fits."""
    distribution = properties(templates, "Distribution")["DistributionConfig"]
    found = (it for it in distribution["CacheBehaviors"] if fnmatchcase(path, it["PathPattern"]))
    return next(found, distribution["DefaultCacheBehavior"])


@pytest.mark.parametrize(
    ("path", "is_cached"),
    [
        ("/api/products", True),
        ("/api/products/MUG", True),
        ("/api/categories", True),
        ("/api/purchases", False),
        ("/api/reservations/1", False),
        ("/api/streams/product-MUG/activity", False),
        ("/api/sales/top", False),
    ],
)
def test_the_catalogue_alone_is_cached(production: Templates, path: str, is_cached: bool) -> None:
    """CachingDisabled has this id. Its origin request policy hands on who asks."""
    behavior = behavior_of(production, path)
    assert (behavior["CachePolicyId"] == {"Ref": "CatalogCaching"}) is is_cached
    assert (behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad") is not is_cached


def test_only_reads_of_the_catalogue_are_cached_and_commands_get_through(production: Templates) -> None:
    products, categories = (
        behavior_of(production, "/api/products/MUG/price"),
        behavior_of(production, "/api/categories"),
    )
    assert set(products["CachedMethods"]) == set(categories["CachedMethods"]) == {"GET", "HEAD"}
    assert set(products["AllowedMethods"]) - {"GET", "HEAD"} == COMMANDS
    assert set(categories["AllowedMethods"]) == {"GET", "HEAD"}
    assert products["Compress"]
    assert categories["Compress"]


def test_the_api_says_how_long_and_every_parameter_is_a_part_of_the_key(production: Templates) -> None:
    policy = properties(production, "CatalogCaching")["CachePolicyConfig"]
    # A minimum of more than 0 would keep what the API says not to keep: problems, and answers to min_version.
    assert (policy["MinTTL"], policy["DefaultTTL"], policy["MaxTTL"]) == (0, 0, SHARED_SECONDS)
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]
    assert key["QueryStringsConfig"] == {"QueryStringBehavior": "all"}
    assert key["HeadersConfig"] == {"HeaderBehavior": "none"}
    assert key["CookiesConfig"] == {"CookieBehavior": "none"}
    assert key["EnableAcceptEncodingGzip"]  # `Vary: Accept-Encoding` has no other effect on the key


NODE = "const {code, event} = JSON.parse(process.argv[1]); eval(code + ';console.log(JSON.stringify(handler(event)))')"


def rewritten(templates: Templates, method: str) -> dict[str, Any]:
    """Runs the viewer's function as CloudFront does, on a request of somebody who is signed in."""
    headers = {name: {"value": name} for name in ("authorization", "x-correlation-id", "x-amzn-trace-id", "accept")}
    cookies = {"session": {"value": "1"}}
    request = {"method": method, "uri": "/api/products/MUG", "headers": headers, "cookies": cookies}
    code = properties(templates, "CatalogPaths")["FunctionCode"]
    argument = json.dumps({"code": code, "event": {"request": request}})
    done = subprocess.run(["node", "-e", NODE, argument], check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["uri"] == "/products/MUG"
    return answer


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_read_that_may_be_cached_does_not_say_whose_it_is(production: Templates, method: str) -> None:
    request = rewritten(production, method)
    assert set(request["headers"]) == {"accept"}
    assert request["cookies"] == {}


def test_a_command_keeps_its_callers_token(production: Templates) -> None:
    assert "authorization" in rewritten(production, "POST")["headers"]


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
        "throttledRoutes": "none",
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
    assert policy["script-src"] == "'self' https://js.stripe.com https://*.js.stripe.com"
    assert policy["frame-src"] == "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com"


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
