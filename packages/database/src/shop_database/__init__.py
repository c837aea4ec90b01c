"""The functions reach PostgreSQL by URL, or on Aurora with IAM authentication."""

from shop_database.connection import PooledConnection as PooledConnection
from shop_database.connection import Reconnecting as Reconnecting
from shop_database.connection import connect as connect
from shop_database.connection import settings_hold as settings_hold
from shop_database.failures import NoConnectionError as NoConnectionError
from shop_database.settings import AddressWithIam as AddressWithIam
from shop_database.settings import DatabaseSettings as DatabaseSettings
