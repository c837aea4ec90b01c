"""From nothing to a working shop with the one command of docs/deploy.md, as on AWS: the emulator, and stand-ins for
what it lacks. `make rehearsal` runs it."""

import re

import pytest

from shop_cli.rehearsal_testing import RehearsalAccount


@pytest.fixture(scope="session")
def deployed(account: RehearsalAccount) -> str:
    return account.shop("deploy", "--stage", "rehearsal", "--yes", "--administrator", "ada@shop.example")


def test_one_command_leads_from_nothing_to_a_purchase(deployed: str) -> None:
    assert "API key stored, webhook secret stored" in deployed
    assert "roles shop_owner, shop_dispatch and shop_query" in deployed
    assert "The purchase is in every system." in deployed
    assert "Stage rehearsal is deployed." in deployed


def test_it_waited_for_the_database(deployed: str) -> None:
    assert "waiting for the database: DatabaseResumingException" in deployed


def test_neither_what_it_prints_nor_its_logs_have_a_key(account: RehearsalAccount, deployed: str) -> None:
    written = deployed + "".join(path.read_text() for path in account.home.logs.glob("deploy-*"))
    assert "waiting" in written
    assert account.variables["SHOP_PAYMENT_API_KEY"] not in written
    assert account.variables["SHOP_PAYMENT_WEBHOOK_SECRET"] not in written


def test_the_same_command_again_changes_nothing(account: RehearsalAccount, deployed: str) -> None:
    again = account.shop("deploy", "--stage", "rehearsal", "--yes", "--no-demo")
    assert "API key is there, webhook secret is there" in again
    assert "ada@shop.example" in again


def test_the_demonstration_leaves_nobody_and_nothing_for_sale(account: RehearsalAccount, deployed: str) -> None:
    assert account.shop("people", "list", "--stage", "rehearsal").split()[-4] == "ada@shop.example"
    [api] = re.findall(r"^  API +(\S+)", deployed, re.MULTILINE)
    account.register_webhook(api)
    demonstrated = account.shop("demo", "--stage", "rehearsal")
    assert "The purchase is in every system." in demonstrated
