from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from shop_payment_provider.testing import ProviderProcess, running_provider


@pytest.fixture(scope="session")
def provider() -> Iterator[ProviderProcess]:
    """One for the tests that leave it running: each makes intents of its own."""
    with running_provider(slow_seconds=0.6, timeout_seconds=3) as running:
        yield running


@pytest.fixture
def own_provider() -> Iterator[ProviderProcess]:
    """One that the test may stop or kill."""
    with running_provider(slow_seconds=0.6, timeout_seconds=3) as running:
        yield running


@pytest.fixture
def connect() -> Iterator[Callable[..., stripe.StripeClient]]:
    """The official client, without its own retries: a test sees each answer."""
    opened: list[Any] = []

    def new(provider: ProviderProcess, *, patience_seconds: float = 20, api_key: str = "") -> stripe.StripeClient:
        http_client = stripe.RequestsClient(timeout=patience_seconds)
        opened.append(http_client)
        return stripe.StripeClient(
            api_key or provider.api_key,
            base_addresses={"api": provider.url},
            http_client=http_client,
            max_network_retries=0,
        )

    yield new
    for http_client in opened:
        http_client.close()


@pytest.fixture
def client(provider: ProviderProcess, connect: Callable[..., stripe.StripeClient]) -> stripe.StripeClient:
    return connect(provider)
