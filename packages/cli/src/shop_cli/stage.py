"""What a stage on AWS may be called, and which region it is in. config/stages.json has both, for the stacks too."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from shop_cli.errors import ShopError

SETTINGS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).resolve().parents[4] / "config" / "stages.json").read_text()
)
NOT_ON_AWS: Final = ("local", "offline")
RULES: Final = (
    "has to be 1 to 20 lower-case letters and digits, a letter first, without aws, amazon or cognito in it; "
    "local and offline never go to AWS"
)


def check_stage_name(name: str) -> None:
    """Raises ShopError unless `name` can be a stage's on AWS.

    A Glue database has no upper case, and Athena takes no hyphen in its name. Without hyphens, too, no stage's names
    begin with another's: `dev-` is never the beginning of `dev2-`, in a name or in a policy. A user pool's domain
    contains none of the three words. Firehose's names have 64 characters at most, and that of the delivery stream,
    which CloudFormation makes, is then 63 long.
    https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html
    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-assign-domain-prefix.html
    https://docs.aws.amazon.com/firehose/latest/APIReference/API_CreateDeliveryStream.html
    """
    if name in NOT_ON_AWS or not re.fullmatch(SETTINGS["namePattern"], name):
        raise ShopError(f"The stage's name is {name!r}. It {RULES}")


def region_of(stage: str) -> str:
    """Returns the region of a stage, or of the shop on this machine."""
    regions: dict[str, str] = SETTINGS["regions"]
    return regions.get(stage, regions["default"])
