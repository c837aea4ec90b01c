"""Packages the four services as `serverless package` does, once a session: for production and another stage without
credentials, and for the emulator. No stack is read or changed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shop_cli.local.build import FUNCTIONS, MACHINE

CHECKOUT = Path(__file__).parents[2]
SERVICES = {
    "shop-platform": CHECKOUT,
    **{name: CHECKOUT / "functions" / name for name in FUNCTIONS},
}
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Only what is named here, so that neither an account nor a running shop has a part in it.
LOCAL_RUN = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    "SHOP_ARCHITECTURE": MACHINE,
    "SHOP_PYTHON": PYTHON,
    "SHOP_XRAY_ADDRESS": "127.0.0.1:2000",
    "SHOP_PAYMENT_URL": "http://127.0.0.1:12111",
    "SHOP_OWNER_DATABASE_URL": "postgresql://shop_owner@127.0.0.1:5432/shop",
    "SHOP_DISPATCH_DATABASE_URL": "postgresql://shop_dispatch@127.0.0.1:5432/shop",
    "SHOP_QUERY_DATABASE_URL": "postgresql://shop_query@127.0.0.1:5432/shop",
}
ANOTHER = "l" * 20
"""No stage's name may be longer. The stage is in another region than production."""
PACKAGED = {"production": SERVICES, "local": SERVICES, ANOTHER: SERVICES, "dev": ("shop-platform",)}
"""In their stacks for functions, `dev` and the stage with the longest name do not differ."""
Template = dict[str, Any]
Packaged = Callable[[str], dict[str, Template]]
Serverless = Callable[..., subprocess.CompletedProcess[str]]


def serverless(service: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SHOP_"))}
    environment = kept | {"AWS_EC2_METADATA_DISABLED": "true"} | variables
    command = [str(CHECKOUT / "node_modules" / ".bin" / "serverless"), *arguments]
    return subprocess.run(command, cwd=SERVICES[service], env=environment, check=False, capture_output=True, text=True)


@pytest.fixture(scope="session", name="serverless")
def serverless_command() -> Serverless:
    return serverless


@pytest.fixture(scope="session")
def local_run() -> dict[str, str]:
    return LOCAL_RUN


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `<stage>/<service>` with the templates of each."""
    root = tmp_path_factory.mktemp("packages")

    def package(stage: str, service: str) -> None:
        variables = LOCAL_RUN if stage == "local" else {}
        parameters = ["--param", "platform=recorded"]
        if stage != "local":
            parameters += ["--param", f"python={PYTHON}", "--param", "throttledRoutes=waiting"]
        target = ["--stage", stage, "--package", str(root / stage / service)]
        target += ["--region", "eu-central-1"] if stage == ANOTHER else []
        done = serverless(service, "package", *target, *parameters, **variables)
        assert done.returncode == 0, done.stdout + done.stderr

    with ThreadPoolExecutor(2) as pool:
        for stage, services in PACKAGED.items():
            list(pool.map(package, [stage] * len(services), services))
    return root


@pytest.fixture(scope="session")
def packaged(packages: Path) -> Packaged:
    def read(stage: str) -> dict[str, Template]:
        name = "cloudformation-template-update-stack.json"
        return {service: json.loads((packages / stage / service / name).read_text()) for service in SERVICES}

    return read


@pytest.fixture(scope="session")
def production(packaged: Packaged) -> dict[str, Template]:
    return packaged("production")


@pytest.fixture(scope="session")
def another(packaged: Packaged) -> dict[str, Template]:
    return packaged(ANOTHER)


@pytest.fixture(scope="session")
def local(packaged: Packaged) -> dict[str, Template]:
    return packaged("local")


@pytest.fixture(scope="session")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """Packages shop-query and shop-dispatch for a stage that has an RDS Proxy before its database, and SnapStart."""
    templates = {}
    host = "shop.proxy-abcdefghijkl.us-east-1.rds.amazonaws.com"
    for service in ("shop-query", "shop-dispatch"):
        target = tmp_path_factory.mktemp(service)
        given = {"platform": "recorded", "python": PYTHON, "databasePooled": "true"}
        given |= {"databaseProxyHost": host, "databaseProxyId": "prx-0123456789abcdef0", "snapStart": "true"}
        parameters = [word for name, value in given.items() for word in ("--param", f"{name}={value}")]
        done = serverless(service, "package", "--stage", "production", "--package", str(target), *parameters)
        assert done.returncode == 0, done.stdout + done.stderr
        templates[service] = json.loads((target / "cloudformation-template-update-stack.json").read_text())
    return templates
