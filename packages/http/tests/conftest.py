from collections.abc import Iterator

import pytest

from shop_observability.testing import invoked_before


@pytest.fixture(autouse=True)
def named() -> Iterator[None]:
    with invoked_before("shop-test"):
        yield
