"""DynamoDB's answers, put into the mouth of moto or of the emulator: what neither ever says by itself."""

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shop_command.adapters.dynamodb import table
from shop_shared.envelope import Envelope, encode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import KeySchemaElementTypeDef

TRANSACT: Final = "dynamodb.TransactWriteItems"
FAILED, CONFLICT, NONE = "ConditionalCheckFailed", "TransactionConflict", "None"
_FORGOTTEN: Final = uuid.UUID("6b0e0f1c-7a0f-4a57-9d0f-1b7d3a1c5e20")


def create_table(client: "DynamoDBClient", name: str) -> None:
    """Makes an empty table with the keys and the index that the platform declares."""
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_keys(table.PK, table.SK),
        GlobalSecondaryIndexes=[
            {
                "IndexName": table.DUE_INDEX,
                "KeySchema": _keys(table.DUE_SHARD, table.DUE_AT),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in (table.PK, table.SK, table.DUE_SHARD, table.DUE_AT)
        ],
    )


def _keys(partition: str, sort: str) -> "list[KeySchemaElementTypeDef]":
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


class Http:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


Response = tuple[Http, dict[str, Any]]


def ok(parsed: dict[str, Any]) -> Response:
    return Http(200), {**parsed, "ResponseMetadata": {"HTTPStatusCode": 200}}


def error(code: str, status: int = 400, **more: Any) -> Response:
    return Http(status), {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}


def cancelled(*codes: str) -> Response:
    return error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


def failed_at(event: Envelope) -> dict[str, Any]:
    """The reason of a failed condition, with the event that is there, whole as in earlier releases."""
    return {"Code": FAILED, "Item": {table.EVENT: {"S": encode(event).decode()}}}


class Answers:
    """Stands in for the service: answers each call with the next of its answers, and the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def __call__(self, params: dict[str, Any], **_: Any) -> Any:
        self.requests.append(params)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Tokens:
    """DynamoDB knows a transaction by its client token for ten minutes; here until a test says that they are over."""

    client: Any
    lives: int = 0

    def __post_init__(self) -> None:
        self.client.meta.events.register(f"provide-client-params.{TRANSACT}", self._token_of_this_life)

    def forget(self) -> None:
        """Every token is another one from now on, which to the service is the same as if it had forgotten the old."""
        self.lives += 1

    def _token_of_this_life(self, params: dict[str, Any], **_: Any) -> dict[str, Any] | None:
        if not self.lives:
            return None
        token = uuid.uuid5(_FORGOTTEN, f"{self.lives} {params['ClientRequestToken']}")
        return {**params, "ClientRequestToken": str(token)}


@dataclass
class TokensForMoto(Tokens):
    """moto does not know tokens, and applies a repeat as if it were new: these two hooks do what DynamoDB does."""

    done: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.client.meta.events.register(f"before-call.{TRANSACT}", self._of_before)
        self.client.meta.events.register(f"after-call.{TRANSACT}", self._is_done)

    def _of_before(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Response | None:
        body = json.loads(params["body"])
        token = context["token"] = body["ClientRequestToken"]
        context["items"] = body["TransactItems"]
        if token not in self.done:
            return None
        return ok({}) if self.done[token] == context["items"] else error("IdempotentParameterMismatchException")

    def _is_done(self, http_response: Any, context: dict[str, Any], **_: Any) -> None:
        if http_response.status_code == 200:
            self.done[context["token"]] = context["items"]
