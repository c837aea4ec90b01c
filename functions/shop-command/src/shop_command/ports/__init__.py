"""The application reaches everything outside of itself through these ports. Everything with an effect, or that differs
from run to run, is behind one of these; a simulation that wraps them sees, and can break, everything that the function
does."""

from shop_command.ports.payment import Captured as Captured
from shop_command.ports.payment import Created as Created
from shop_command.ports.payment import Declined as Declined
from shop_command.ports.payment import IntentCancelled as IntentCancelled
from shop_command.ports.payment import PaymentGateway as PaymentGateway
from shop_command.ports.payment import Processing as Processing
from shop_command.ports.payment import Refused as Refused
from shop_command.ports.payment import Returned as Returned
from shop_command.ports.payment import Unconfirmed as Unconfirmed
from shop_command.ports.payment import Unknown as Unknown
from shop_command.ports.publisher import Publisher as Publisher
from shop_command.ports.store import DUE_SHARDS as DUE_SHARDS
from shop_command.ports.store import PUBLISH_GRACE_SECONDS as PUBLISH_GRACE_SECONDS
from shop_command.ports.store import Commit as Commit
from shop_command.ports.store import ContentionError as ContentionError
from shop_command.ports.store import Due as Due
from shop_command.ports.store import DueEvent as DueEvent
from shop_command.ports.store import DuePage as DuePage
from shop_command.ports.store import DueState as DueState
from shop_command.ports.store import EventStore as EventStore
from shop_command.ports.store import KeyUse as KeyUse
from shop_command.ports.store import KeyUsedError as KeyUsedError
from shop_command.ports.store import Level as Level
from shop_command.ports.store import StockShortError as StockShortError
from shop_command.ports.store import StoredState as StoredState
from shop_command.ports.store import StoreUnavailableError as StoreUnavailableError
from shop_command.ports.store import VersionConflictError as VersionConflictError
from shop_command.ports.system import Clock as Clock
from shop_command.ports.system import EventIds as EventIds
from shop_command.ports.telemetry import Telemetry as Telemetry
