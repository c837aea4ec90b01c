"""A sweep starts others as invocations of its own function."""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from shop_command.ports import deadline
from shop_observability.logs import logger
from shop_observability.tracing import subsegment


class SweepInvocations(Struct, frozen=True):
    client: Callable[[], Any]  # botocore's, of lambda
    function_name: str

    def start(self, shard: int) -> bool:
        """A sweep of one shard starts no others, so one minute's sweeps are DUE_SHARDS + 1 at most."""
        try:
            deadline.require(deadline.AWS_CALL_SECONDS_MAX)
            with subsegment("Lambda", "aws", aws={"operation": "Invoke", "function_name": self.function_name}):
                self.client().invoke(
                    FunctionName=self.function_name, InvocationType="Event", Payload=json.dumps({"shards": [shard]})
                )
        except (BotoCoreError, ClientError, deadline.OutOfTimeError):
            logger().warning("no other sweep could be started", exc_info=True)
            return False
        return True
