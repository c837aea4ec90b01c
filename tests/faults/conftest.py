"""shop-command in this process, with its real wiring, between systems that are real processes: an emulator with the
event store and the stream, reached over a wire that tests break, and the mock payment provider."""

import functools
import os
from collections.abc import Iterator

import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

from shop_cli.emulator_testing import RunningEmulator, Wire, running_emulator, running_wire
from shop_cli.local import emulator
from shop_command import bootstrap
from shop_command.adapters.payment import StripeGateway
from shop_command.testing.deployed import DeployedShop, environment
from shop_payment_provider.testing import ProviderProcess, running_provider

API_KEY_PARAMETER = "/shop/local/payment-api-key"
STOCK = 10


@pytest.fixture(scope="session")
def aws() -> Iterator[RunningEmulator]:
    with running_emulator() as running:
        yield running


@pytest.fixture(scope="session")
def provider(aws: RunningEmulator) -> Iterator[ProviderProcess]:
    with running_provider(slow_seconds=0.3, timeout_seconds=2.0) as process:
        parameter = {"Name": API_KEY_PARAMETER, "Value": process.api_key, "Type": "SecureString"}
        aws.client("ssm").put_parameter(**parameter)
        yield process


@pytest.fixture(scope="session")
def session_wire(aws: RunningEmulator) -> Iterator[Wire]:
    with running_wire(aws.url, aws.credentials) as running:
        # It learns each service at its first call, which takes longer than the function waits.
        for service, call in {
            "dynamodb": "list_tables",
            "kinesis": "list_streams",
            "ssm": "describe_parameters",
        }.items():
            getattr(aws.client(service, running.url), call)()
        yield running


@pytest.fixture(scope="session")
def session_provider_wire(provider: ProviderProcess) -> Iterator[Wire]:
    with running_wire(provider.url) as running:
        running.http.get(f"{running.url}/v1/charges", timeout=30)
        yield running


@pytest.fixture
def wire(session_wire: Wire) -> Iterator[Wire]:
    yield session_wire
    session_wire.heal()


@pytest.fixture
def provider_wire(session_provider_wire: Wire) -> Iterator[Wire]:
    yield session_provider_wire
    session_provider_wire.heal()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries as ever, in less time: a hang lasts a sixth, and the SDK's pauses, of up to a second, next to
    nothing. test_time.py takes the real ones."""
    monkeypatch.setattr(bootstrap, "AWS_CONFIG", bootstrap.AWS_CONFIG.merge(Config(read_timeout=0.5)))
    quick = functools.partial(StripeGateway, connect_timeout_seconds=0.5, read_timeout_seconds=0.5)
    monkeypatch.setattr(bootstrap, "StripeGateway", quick)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)


@pytest.fixture
def shop(aws: RunningEmulator, provider: ProviderProcess, wire: Wire, provider_wire: Wire) -> Iterator[DeployedShop]:
    """It has ten of its product, in a function that has just been started."""
    variables = {
        "PATH": os.environ["PATH"],
        **aws.credentials,
        "AWS_DEFAULT_REGION": emulator.REGION,
        "AWS_ENDPOINT_URL": wire.url,
        "TABLE_NAME": aws.table_name,
        "STREAM_NAME": aws.stream_name,
        "POWERTOOLS_METRICS_DISABLED": "true",
        "PAYMENT_URL": provider_wire.url,
        "PAYMENT_API_KEY_PARAMETER": API_KEY_PARAMETER,
        "PAYMENT_WEBHOOK_SECRET_PARAMETER": "/shop/local/payment-webhook-secret",
    }
    clients = aws.client("dynamodb"), aws.client("kinesis")
    with environment(variables):
        made = DeployedShop(*clients, aws.table_name, aws.stream_name, provider.url, provider.api_key)
        made.stock_up(STOCK)
        yield made
