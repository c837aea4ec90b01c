"""A stage whose database pauses gives its functions the time to wait for it, and lets no alarm ring for that."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shop_query.adapters.postgres import CONNECT_TIMEOUT_SECONDS, STATEMENT_TIMEOUT_MS

ROOT = Path(__file__).parents[2]
API_SECONDS_MAX = 30


class Loader(yaml.SafeLoader):
    """Reads what is of CloudFormation as nothing."""


Loader.add_multi_constructor("!", lambda *_: None)


def parameters(stack: str, stage: str) -> dict[str, Any]:
    declared = yaml.load((ROOT / stack / "serverless.yml").read_text(), Loader)["params"]  # noqa: S506 - a SafeLoader
    return {**declared["default"], **declared.get(stage, {})}


@pytest.mark.parametrize("stage", ["dev", "production"])
def test_who_connects_waits_where_the_database_pauses_and_nowhere_else(stage: str) -> None:
    pauses = parameters(".", stage)["databaseCapacityMin"] == 0
    assert pauses is (stage == "dev")
    for function in ("shop-query", "shop-dispatch"):
        assert (int(parameters(f"functions/{function}", stage)["databaseResumeSeconds"]) >= 15) is pauses


@pytest.mark.parametrize("stage", ["dev", "production"])
def test_a_read_that_waits_is_answered_in_time_and_alarms_nobody(stage: str) -> None:
    query = parameters("functions/shop-query", stage)
    resume_seconds = int(query["databaseResumeSeconds"])
    # A dead connection is noticed, the resume is waited for with one attempt more, and the question is put.
    worst = 2 * STATEMENT_TIMEOUT_MS / 1_000 + max(resume_seconds, CONNECT_TIMEOUT_SECONDS) + CONNECT_TIMEOUT_SECONDS
    assert worst < query["timeoutSeconds"] < API_SECONDS_MAX
    assert query["slowMs"] > 1_000 * resume_seconds
