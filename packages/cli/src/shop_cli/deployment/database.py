"""Makes the roles of the read model's database through the RDS Data API, because the database has no public address."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from shop_cli.errors import ShopError
from shop_cli.local.home import CHECKOUT

ROLES_SQL: Final = CHECKOUT / "infra" / "database-roles.sql"
DATABASE: Final = "shop"
# The SDKs repeat none of these: a paused database answers the first with HTTP 400, and takes some 15 s to resume.
# https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/API_ExecuteStatement.html#API_ExecuteStatement_Errors
NOT_YET: Final = {"DatabaseResumingException", "DatabaseUnavailableException", "ServiceUnavailableError"}
THROTTLED: Final = {"ThrottlingException", "TooManyRequestsException"}
WAIT_SECONDS: Final = 300.0
PAUSE_SECONDS: Final = 3.0


def statements(sql: Path = ROLES_SQL) -> Iterator[str]:
    """Yields them one at a time, as the Data API takes them. In the file, a blank line is between two."""
    for block in re.split(r"\n\s*\n", sql.read_text()):
        statement = "\n".join(line for line in block.splitlines() if not line.startswith("--"))
        if statement.strip():
            yield statement


def make_roles(
    data_api: Any,
    outputs: dict[str, str],
    doing: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises ShopError when the database does not answer within WAIT_SECONDS. Repeats are harmless."""
    waits = iter(range(int(WAIT_SECONDS / PAUSE_SECONDS)))
    for statement in statements():
        while (answer := _execute(data_api, outputs, statement)) is not None:
            if next(waits, None) is None:
                raise ShopError(f"The database has not answered for {WAIT_SECONDS:.0f} s: {answer}")
            doing(f"waiting for the database: {answer}")
            sleep(PAUSE_SECONDS)


def _execute(data_api: Any, outputs: dict[str, str], statement: str) -> str | None:
    """Returns why another try is needed, or None."""
    try:
        data_api.execute_statement(
            resourceArn=outputs["DatabaseClusterArn"],
            secretArn=outputs["DatabaseSecretArn"],
            database=DATABASE,
            sql=statement,
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in NOT_YET | THROTTLED:
            return str(code)
        raise ShopError(f"The database refused this statement: {error}\n{statement}") from error
    return None
