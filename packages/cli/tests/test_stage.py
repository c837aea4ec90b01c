"""Which names a stage on AWS may have, and where it is."""

import pytest

from shop_cli import stage
from shop_cli.errors import ShopError
from shop_cli.stage import check_stage_name, region_of


@pytest.mark.parametrize("name", ["dev", "production", "rehearsal", "s", "pr1234", "d" * 20])
def test_a_name_of_lower_case_letters_and_digits_is_a_stages(name: str) -> None:
    check_stage_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "Dev", "dev-2", "dev_2", "2dev", "dev\n", "dév", "dev.eu", "d" * 21),
        *("aws", "myawsshop", "amazon1", "cognito", "local", "offline"),
    ],
)
def test_what_some_service_would_refuse_is_refused_at_once(name: str) -> None:
    with pytest.raises(ShopError, match="1 to 20 lower-case letters and digits"):
        check_stage_name(name)


def test_a_stage_is_in_its_own_region_or_in_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stage.SETTINGS, "regions", {"default": "eu-west-1", "production": "eu-central-1"})
    assert (region_of("dev"), region_of("production")) == ("eu-west-1", "eu-central-1")
