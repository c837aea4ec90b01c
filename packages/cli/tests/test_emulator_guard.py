"""The emulator that the local run starts, with what a browser sends for a page of another origin, and what programs do
without this shop's keys."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from shop_cli.emulator_testing import RunningEmulator, running_emulator
from shop_cli.errors import ShopError
from shop_cli.local import emulator
from shop_cli.local.home import State

EVIL = "https://evil.example"
DEVELOPMENT = "http://localhost:5173"
PAGES = [
    {"Origin": EVIL},
    {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Content-Type": "text/plain"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
    {"Host": "evil.example"},
]
CALLS = [
    ("GET", "/2015-03-31/functions", {}),
    ("POST", "/2015-03-31/functions/spy/invocations", {}),
    ("POST", "/", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}),
    ("POST", "/", {"X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth"}),
    ("GET", "/?Action=ListUsers&Version=2010-05-08", {}),
    ("GET", "/kept/object", {}),
    ("PUT", "/kept/object", {}),
    ("POST", "/_ministack/reset", {}),
    ("POST", "/_ministack/config", {}),
    ("GET", "/_ministack/health", {}),
    ("GET", "/_ministack/ready", {}),
    ("GET", "/health", {}),
    ("GET", "/_aws/execute-api/00000000/products", {}),
    ("GET", "/_aws/lambda-url/00000000/", {}),
    ("GET", "/restapis/00000000/local/_user_request_/products", {}),
    ("GET", "/v2/", {}),
    ("GET", "/oauth2/userInfo", {}),
]
UNSIGNED_TOO = CALLS[:3] + CALLS[4:10] + CALLS[11:12] + CALLS[13:16]


@pytest.fixture(scope="module")
def aws() -> Iterator[RunningEmulator]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_ALLOWED_ORIGINS", DEVELOPMENT)
        with running_emulator() as running:
            running.client("s3").create_bucket(Bucket="kept")
            running.client("s3").put_object(Bucket="kept", Key="object", Body=b"kept")
            yield running


@pytest.fixture(scope="module")
def http(aws: RunningEmulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=aws.url) as client:
        yield client


def signed(aws: RunningEmulator) -> dict[str, str]:
    """A signature's header, as a page would send that had learnt the key's id."""
    key = aws.credentials["AWS_ACCESS_KEY_ID"]
    scope = f"{key}/20261127/us-east-1/lambda/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_page_of_another_origin_reaches_anything(
    aws: RunningEmulator, http: httpx.Client, page: dict[str, str]
) -> None:
    page = {**page, "Host": f"evil.example:{httpx.URL(aws.url).port}"} if "Host" in page else page
    for method, path, headers in CALLS:
        for key in ({}, signed(aws)):
            answer = http.request(method, path, headers={**headers, **page, **key})
            assert answer.status_code == 403, (method, path, answer.text)
            assert "message" in answer.json()
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert aws.client("s3").get_object(Bucket="kept", Key="object")["Body"].read() == b"kept"


@pytest.mark.parametrize(("method", "path", "headers"), UNSIGNED_TOO, ids=str)
def test_no_program_without_a_key_does(http: httpx.Client, method: str, path: str, headers: dict[str, str]) -> None:
    assert http.request(method, path, headers=headers).status_code == 403
    storefront = {"Host": f"d1.cloudfront.localhost:{http.base_url.port}"}
    if path.startswith(("/_", "/v2/")):
        assert http.request(method, path, headers={**headers, **storefront}).status_code == 403


@pytest.mark.parametrize("key", ["test", "000000000000", "AKIA0123456789ABCDEF"])
@pytest.mark.parametrize(("service", "call"), [("lambda", "list_functions"), ("dynamodb", "list_tables")])
def test_well_known_keys_open_nothing(aws: RunningEmulator, service: str, call: str, key: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "test"}
    with pytest.raises(ClientError) as refused:
        getattr(emulator.client_at(aws.url, service, keys), call)()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(
    ("service", "call"), [("lambda", "list_functions"), ("s3", "list_buckets"), ("iam", "list_users")]
)
def test_the_keys_id_alone_opens_nothing(aws: RunningEmulator, service: str, call: str) -> None:
    keys = {**aws.credentials, "AWS_SECRET_ACCESS_KEY": "a guess"}
    with pytest.raises(ClientError, match="signature"):
        getattr(emulator.client_at(aws.url, service, keys), call)()


def test_a_signed_link_to_an_object_works_and_a_forged_one_does_not(aws: RunningEmulator) -> None:
    link = aws.client("s3").generate_presigned_url("get_object", Params={"Bucket": "kept", "Key": "object"})
    assert httpx.get(link).content == b"kept"
    assert httpx.get(link.replace("Signature=", "Signature=0")).status_code == 403


def test_two_shops_have_two_keys(aws: RunningEmulator) -> None:
    other = emulator.credentials(State())
    assert set(other.values()).isdisjoint(aws.credentials.values())


def test_a_functions_keys_cannot_be_computed_from_its_name(aws: RunningEmulator) -> None:
    """ministack derives them from the function's and the role's names alone."""
    code = "import os\ndef handler(*_):\n    return {name: os.environ[name] for name in os.environ if 'AWS_' in name}"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("spy.py", code)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = aws.client("iam").create_role(RoleName="spy", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    functions = aws.client("lambda")
    functions.create_function(
        FunctionName="spy", Runtime="python3.13", Role=role, Handler="spy.handler", Code={"ZipFile": packed.getvalue()}
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="spy", WaiterConfig={"Delay": 1})
    keys: dict[str, Any] = json.loads(functions.invoke(FunctionName="spy")["Payload"].read())
    arn = functions.get_function(FunctionName="spy")["Configuration"]["FunctionArn"]
    known = hashlib.sha256(f"{arn}:{role}".encode()).hexdigest()
    assert keys["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert keys["AWS_ACCESS_KEY_ID"] != f"ASIA{known[:16].upper()}"
    assert aws.credentials["AWS_SECRET_ACCESS_KEY"] not in keys.values()
    session = boto3.Session(*(keys[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")))
    with pytest.raises(ClientError, match=r"assumed-role/spy/spy is not authorized .* dynamodb:ListTables"):
        session.client("dynamodb", region_name=emulator.REGION, endpoint_url=aws.url).list_tables()


def test_the_storefront_and_a_configured_origin_may_call_the_user_pool(
    aws: RunningEmulator, http: httpx.Client
) -> None:
    target = {"X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth"}
    storefront = f"http://d1.cloudfront.localhost:{httpx.URL(aws.url).port}"
    for origin in (storefront, DEVELOPMENT):
        page = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        asked = http.options("/", headers={**page, "Access-Control-Request-Method": "POST"})
        assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (200, origin)
        answer = http.post("/", json={}, headers={**page, **target})
        assert answer.status_code == 400
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        # The API answers for itself, with no CORS at all.
        assert http.get("/_aws/execute-api/00000000/products", headers=page).status_code == 404
        assert http.post("/", headers={**page, "X-Amz-Target": "DynamoDB_20120810.ListTables"}).status_code == 403


@pytest.mark.parametrize("path", ["/signup", "/confirmUser", "/forgotPassword", "/confirmForgotPassword"])
def test_a_link_opens_the_pools_pages_and_no_page_fills_them_in(http: httpx.Client, path: str) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert http.get(path, headers=link).status_code == 200
    assert http.post(path, headers={**link, "Origin": EVIL}).status_code == 403


def test_an_answer_for_no_page_says_of_none_that_it_may_read_it(http: httpx.Client) -> None:
    answer = http.post("/", json={}, headers={"X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_a_wrong_origin_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_ALLOWED_ORIGINS", "*")
    with pytest.raises(ShopError, match="SHOP_ALLOWED_ORIGINS: '\\*' is no origin"):
        emulator.allowed_origins()
