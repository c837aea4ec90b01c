"""Everything is wired here, and the environment is read nowhere else."""

import os
import random
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Final, cast

from msgspec import Struct
from msgspec.structs import asdict
from pydantic import BaseModel

from shop_command.adapters.dynamodb import DynamoDbEventStore
from shop_command.adapters.kinesis import KinesisPublisher
from shop_command.adapters.payment import StripeGateway
from shop_command.adapters.secrets import LIFETIME_SECONDS_DEFAULT, OVERLAP, Secret, SecretParameter
from shop_command.adapters.sweep_helpers import SweepInvocations
from shop_command.adapters.system import SystemClock, Uuid7
from shop_command.adapters.telemetry import SERVICE, Observability
from shop_command.adapters.threads import Threads
from shop_command.adapters.webhook import StripeWebhook
from shop_command.application.journal import Journal
from shop_command.application.products import Products
from shop_command.application.purchases import Purchases
from shop_command.application.reconciliation import Reconciliation
from shop_command.application.refunds import Refunds
from shop_command.application.reservations import Reservations
from shop_command.application.settling import Settlement
from shop_command.application.sweeping import Sweep
from shop_command.domain import product, reservation
from shop_command.domain.limits import Limits
from shop_command.ports import Clock, EventIds, EventStore, Helpers, PaymentGateway, Publisher, Telemetry, Workers
from shop_http import initialization
from shop_observability import aws_clients
from shop_observability.logs import logger
from shop_shared.envelope import Envelope
from shop_shared.events import PaymentRequested, PurchaseConfirmed, ReservationPlaced

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient

RESERVATION_SECONDS_DEFAULT: Final = 900
LIMIT_MAX: Final = 8_000
"""The ids of so many open reservations fit into the one item of DynamoDB that counts them."""
THREADS: Final = 16
"""A sweep does so much at once, each over a connection of its own."""
AWS_CONFIG: Final = aws_clients.settings(
    SERVICE,
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=THREADS,
)
"""`ports.deadline` knows how long a call may take with it."""


class SettingsError(Exception):
    """The function is deployed with an environment that it can't work in."""


class Settings(Struct, frozen=True):
    table_name: str
    stream_name: str
    payment_url: str
    payment_api_key_parameter: str
    payment_webhook_secret_parameter: str
    reservation_seconds: int
    limits: Limits
    payment_return_url: str
    secret_seconds: int
    function_name: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        names = (
            *("TABLE_NAME", "STREAM_NAME", "PAYMENT_URL"),
            *("PAYMENT_API_KEY_PARAMETER", "PAYMENT_WEBHOOK_SECRET_PARAMETER"),
        )
        missing = [name for name in names if not environment.get(name)]
        if missing:
            raise SettingsError(f"missing in the environment: {', '.join(missing)}")
        return cls(
            **{name.lower(): environment[name] for name in names},
            reservation_seconds=_seconds(environment, "RESERVATION_SECONDS", RESERVATION_SECONDS_DEFAULT),
            limits=_limits(environment),
            payment_return_url=environment.get("PAYMENT_RETURN_URL", ""),
            secret_seconds=_seconds(environment, "SECRET_SECONDS", LIFETIME_SECONDS_DEFAULT),
            function_name=environment.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        )


def _seconds(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"{name} is a number of seconds, at least 1; it is {text!r}")
    return int(text)


def _limits(environment: Mapping[str, str]) -> Limits:
    given = {}
    for name, default in asdict(Limits()).items():
        text = environment.get(name.upper(), str(default))
        if not text.isdecimal() or not 1 <= int(text) <= LIMIT_MAX:
            raise SettingsError(f"{name.upper()} is a number from 1 to {LIMIT_MAX}; it is {text!r}")
        given[name] = int(text)
    return Limits(**given)


class Application(Struct, frozen=True):
    products: Products
    reservations: Reservations
    purchases: Purchases
    refunds: Refunds
    settlement: Settlement
    sweep: Sweep
    reconciliation: Reconciliation
    webhook: StripeWebhook


def initialize(bodies: Iterable[type[BaseModel]]) -> None:
    """Makes the first request quick in Lambda, as `shop_http.initialization` says. `bodies` are of the requests."""
    initialization.initialize(os.environ, partial(_prepare, bodies), application)


def _prepare(bodies: Iterable[type[BaseModel]]) -> None:
    """Pydantic makes a model ready at its first use otherwise, and botocore reads its own."""
    models: list[type[BaseModel]] = [*bodies, Envelope, ReservationPlaced, PaymentRequested, PurchaseConfirmed]
    for model in models:
        model.model_rebuild()
    for stream in (product.stream("any"), reservation.stream("any")):
        stream.states.rebuild()
    for service in ("dynamodb", "kinesis"):
        for kind in ("service-2", "endpoint-rule-set-1"):
            aws_clients.models().load_service_model(service, kind)
    logger()


@cache
def application() -> Application:
    """It is built once in an execution environment."""
    settings = Settings.of(os.environ)
    session = aws_clients.session()
    randomness = random.SystemRandom()
    dynamodb = cast("DynamoDBClient", session.create_client("dynamodb", config=AWS_CONFIG))
    kinesis = cast("KinesisClient", session.create_client("kinesis", config=AWS_CONFIG))
    # Made by the first request that pays: most others need no secret.
    parameters = cache(partial(session.create_client, "ssm", config=AWS_CONFIG))
    functions = cache(partial(session.create_client, "lambda", config=AWS_CONFIG))
    api_key = SecretParameter(parameters, settings.payment_api_key_parameter)
    webhook_secret = SecretParameter(parameters, settings.payment_webhook_secret_parameter, overlap=OVERLAP)
    return assemble(
        store=DynamoDbEventStore(dynamodb, settings.table_name, randomness),
        publisher=KinesisPublisher(kinesis, settings.stream_name, randomness),
        gateway=StripeGateway(
            settings.payment_url,
            Secret(api_key, settings.secret_seconds),
            return_url=settings.payment_return_url,
            connections_max=THREADS,
        ),
        clock=SystemClock(),
        ids=Uuid7(),
        randomness=randomness,
        webhook_secret=Secret(webhook_secret, settings.secret_seconds),
        telemetry=Observability(),
        reservation_seconds=settings.reservation_seconds,
        limits=settings.limits,
        workers=Threads(THREADS),
        helpers=SweepInvocations(functions, settings.function_name),
    )


def assemble(
    *,
    store: EventStore,
    publisher: Publisher,
    gateway: PaymentGateway,
    clock: Clock,
    ids: EventIds,
    randomness: random.Random,
    webhook_secret: Secret,
    telemetry: Telemetry,
    workers: Workers,
    helpers: Helpers,
    reservation_seconds: int = RESERVATION_SECONDS_DEFAULT,
    limits: Limits | None = None,
) -> Application:
    """Builds the use cases over any adapters: the deployed ones, or a test's."""
    journal = Journal(store, publisher, clock, ids, telemetry, workers, limits or Limits())
    settlement = Settlement(journal, gateway)
    return Application(
        products=Products(journal, randomness),
        reservations=Reservations(journal, gateway, randomness, reservation_seconds),
        purchases=Purchases(journal, gateway),
        refunds=Refunds(journal, gateway),
        settlement=settlement,
        sweep=Sweep(journal, settlement, randomness, workers, helpers),
        reconciliation=Reconciliation(journal, settlement, gateway),
        webhook=StripeWebhook(webhook_secret, clock),
    )
