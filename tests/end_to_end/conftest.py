from collections.abc import Iterator

import pytest

from shop_cli.testing import Shop, shop_of_this_run


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    with shop_of_this_run() as shop:
        yield shop
