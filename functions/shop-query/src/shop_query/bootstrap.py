"""The only wiring, and the only place that reads the environment: once per execution environment.

| variable | meaning |
|---|---|
| DATABASE_URL | a libpq URL of a role that may select from `read_v1` |
| DATABASE_HOST, _PORT, _NAME, _USER | in its place on Aurora: IAM authentication |
| DATABASE_ROOT_CERTIFICATE | the certificate authorities with which the server is verified |
"""

import os
from functools import cache

from shop_database import DatabaseSettings
from shop_http import initialization
from shop_observability.logs import logger
from shop_query.adapters.postgres import PostgresReadModel
from shop_query.adapters.system import SystemClock
from shop_query.application.queries import Queries


def initialize() -> None:
    """Makes the first request quick in Lambda, as `shop_http.initialization` says. The database is connected by it."""
    initialization.initialize(os.environ, lambda: (queries(), logger()))


@cache
def queries() -> Queries:
    return Queries(read_model(), SystemClock())


@cache
def read_model() -> PostgresReadModel:
    return PostgresReadModel(DatabaseSettings.from_environment(os.environ))
