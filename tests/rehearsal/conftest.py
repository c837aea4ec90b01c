from collections.abc import Iterator

import pytest

from shop_cli.aurora_testing import is_installed
from shop_cli.rehearsal_testing import RehearsalAccount, running_account


@pytest.fixture(scope="session")
def account() -> Iterator[RehearsalAccount]:
    if not is_installed():
        pytest.skip("npm has PostgreSQL 16 for Linux on x86_64 alone")
    with running_account() as account:
        yield account
