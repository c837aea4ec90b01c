from collections.abc import Iterator

import pytest

from shop_observability.testing import daemon, invoked_before, kept_daemon, log  # noqa: F401 - fixtures


@pytest.fixture(autouse=True)
def named() -> Iterator[None]:
    with invoked_before("shop-test"):
        yield
