"""What the distribution answers: pages, files, pictures and the API at one address, each with its own headers."""

import gzip
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response

from shop_cli.browser_testing import Storefront, Visit
from shop_cli.testing import Shop

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "manifest-src 'self'; connect-src 'self' {pool}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html shop"
)
SCRIPT_BYTES_MAX = 60_000
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
PAGES = ["/", "/products/BEANS-HOUSE-500", "/products/a.b_C", "/products/A%2FB.jpg", "/checkout/1", "/nowhere"]


@pytest.mark.parametrize("path", PAGES)
def test_every_path_of_the_storefront_answers_its_page(shop: Shop, storefront: Storefront, path: str) -> None:
    answer = storefront.request("GET", path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Content-Security-Policy"] == POLICY.format(pool=shop.status["aws_endpoint_url"])
    assert '<div id="app">' in answer.text


def test_a_page_that_has_not_changed_is_not_sent_again(storefront: Storefront) -> None:
    tag = storefront.request("GET", "/").headers["ETag"]
    assert storefront.request("GET", "/", If_None_Match=tag).status_code == 304


def test_scripts_styles_and_fonts_are_kept_for_ever_and_settings_are_not(storefront: Storefront) -> None:
    page = storefront.request("GET", "/").text
    files = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)
    assert files
    for file in files:
        assert storefront.request("GET", file).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    for file in ("/config.json", "/robots.txt", "/icon.svg", "/manifest.webmanifest"):
        answer = storefront.request("GET", file)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


def test_a_file_that_is_not_there_is_no_page(storefront: Storefront) -> None:
    for path in ("/assets/old.js", "/media/none.webp", "/none.txt"):
        answer = storefront.request("GET", path)
        assert answer.status_code in (
            403,
            404,
        )  # S3 answers 404 where the bucket may be listed, the emulator always 403
        assert "html" not in answer.headers["Content-Type"]


@pytest.mark.parametrize("path", ["/", "/assets/none.js", "/api/products", "/media/none.webp"])
def test_every_answer_has_the_security_headers(storefront: Storefront, path: str) -> None:
    headers = storefront.request("GET", path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "forbidden",
    [
        "document.body.innerHTML = '<b>text</b>'",
        "trustedTypes.createPolicy('another', {})",
        "document.body.setAttribute('style', 'color: red')",
    ],
)
def test_what_the_policy_forbids_fails_the_test_that_sees_it_even_if_the_page_catches_it(
    page: Page, visit: Visit, forbidden: str
) -> None:
    page.goto("/")
    with page.expect_console_message(lambda message: message.text.startswith("Content Security Policy: ")):
        page.evaluate(f"() => {{ try {{ {forbidden} }} catch {{}} }}")
    page.close()  # nothing else is said of it
    assert visit.faults
    visit.faults.clear()


@pytest.fixture(scope="module")
def bucket(shop: Shop) -> str:
    [stack] = shop.client("cloudformation").describe_stacks(StackName="shop-platform-local")["Stacks"]
    return next(str(it["OutputValue"]) for it in stack["Outputs"] if it["OutputKey"] == "WebBucketName")


@pytest.fixture
def picture(shop: Shop, bucket: str) -> Iterator[str]:
    key = f"media/{uuid.uuid4()}.svg"
    shop.client("s3").put_object(Bucket=bucket, Key=key, Body=b"<svg/>", ContentType="image/svg+xml")
    yield f"/{key}"
    shop.client("s3").delete_object(Bucket=bucket, Key=key)


def test_what_was_uploaded_can_run_no_script_here(storefront: Storefront, picture: str) -> None:
    answer = storefront.request("GET", picture)
    assert (answer.status_code, answer.content) == (200, b"<svg/>")
    assert answer.headers["Content-Security-Policy"] == DATA_POLICY


def test_the_api_answers_as_at_its_own_address(shop: Shop, storefront: Storefront) -> None:
    answer = storefront.request("GET", "/api/products?limit=1&sort=newest")
    assert answer.json() == shop.request("GET", "/products?limit=1&sort=newest").body
    assert answer.headers["X-Correlation-Id"]
    assert answer.headers["X-Amzn-Trace-Id"]
    assert answer.headers["Content-Security-Policy"] == DATA_POLICY
    again = storefront.request("GET", "/api/products?limit=1&sort=newest", If_None_Match=answer.headers["ETag"])
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/api/products/NO-SUCH-PRODUCT", 404, "not-found"),
        ("GET", "/api/products?limit=0", 422, "invalid-request"),
        ("GET", "/api/purchases", 401, None),
    ],
)
def test_a_problem_keeps_its_status_and_its_document(
    storefront: Storefront, method: str, path: str, status: int, kind: str | None
) -> None:
    answer = storefront.request(method, path)
    assert answer.status_code == status
    if kind:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["type"].endswith(f"/{kind}")


def test_a_customer_who_is_no_administrator_is_refused_and_gets_no_page(shop: Shop, storefront: Storefront) -> None:
    token = f"Bearer {shop.status['customer_token']}"
    answer = storefront.request("GET", "/api/sales/daily", Authorization=token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")


def test_a_command_through_the_storefront_has_its_effect(shop: Shop, storefront: Storefront) -> None:
    sku = shop.new_product(stock=1)
    answer = storefront.request(
        "POST",
        "/api/reservations",
        json.dumps({"lines": [{"sku": sku, "quantity": 1}]}).encode(),
        Authorization=f"Bearer {shop.status['customer_token']}",
        Idempotency_Key=str(uuid.uuid4()),
        Content_Type="application/json",
        Origin=shop.status["web_url"],
        Sec_Fetch_Site="same-origin",
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["lines"][0]["sku"] == sku


def test_another_page_reaches_neither_the_storefronts_api_nor_its_settings(shop: Shop, storefront: Storefront) -> None:
    for path in ("/api/products", "/config.json"):
        answer = storefront.request("GET", path, Origin="https://evil.example", Sec_Fetch_Site="cross-site")
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_only_the_distribution_reads_the_bucket(shop: Shop, bucket: str) -> None:
    assert shop.http.get(f"{shop.status['aws_endpoint_url']}/{bucket}/index.html").status_code == 403


def test_the_people_of_one_click_are_the_local_stages(config: dict[str, Any]) -> None:
    assert [(each["name"], each["role"]) for each in config["people"]] == [
        ("customer", "customer"),
        ("administrator", "admin"),
    ]
    assert "stripeKey" not in config


def test_a_release_keeps_the_scripts_of_the_one_before_for_those_who_have_its_page_open(
    shop: Shop, storefront: Storefront, bucket: str
) -> None:
    storage = shop.client("s3")
    storage.put_object(Bucket=bucket, Key="assets/index-before.js", Body=b"before")
    assert shop.status["web_url"] in shop.command("release-web").stdout
    answer = storefront.request("GET", "/assets/index-before.js")
    assert (answer.status_code, answer.content) == (200, b"before")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    tags = storage.get_object_tagging(Bucket=bucket, Key="assets/index-before.js")["TagSet"]
    assert tags == [{"Key": "superseded", "Value": "true"}]
    storage.delete_object(Bucket=bucket, Key="assets/index-before.js")


def test_a_script_that_a_later_release_has_again_is_kept_for_ever(
    shop: Shop, storefront: Storefront, bucket: str
) -> None:
    storage = shop.client("s3")
    for current in re.findall(r'src="/(assets/[^"]+\.js)"', storefront.request("GET", "/").text):
        tags = {"TagSet": [{"Key": "superseded", "Value": "true"}]}
        storage.put_object_tagging(Bucket=bucket, Key=current, Tagging=tags)
        shop.command("release-web")
        assert storage.get_object_tagging(Bucket=bucket, Key=current)["TagSet"] == []


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_the_first_pages_script_is_at_most_60_kb_compressed(browser: Browser, shop: Shop, locale: str) -> None:
    """Fonts and pictures are apart. What other pages need is loaded when they are opened."""
    answers: list[Response] = []

    def keep(answer: Response) -> None:
        answers.append(answer)

    with browser.new_context(base_url=shop.status["web_url"], locale=locale, service_workers="block") as context:
        page = context.new_page()
        page.on("response", keep)
        page.goto("/", wait_until="networkidle")
        scripts = [answer.body() for answer in answers if answer.request.resource_type == "script"]
    assert 0 < sum(len(gzip.compress(script, 9)) for script in scripts) <= SCRIPT_BYTES_MAX
