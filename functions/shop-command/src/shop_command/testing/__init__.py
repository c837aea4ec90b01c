"""The fakes of the ports behave like the real adapters, and other functions make whole Lambda events. For tests only.

The contract suites in `tests/` run for these fakes and for the adapters, so that they can't drift apart.
"""

from shop_command.testing.fakes import FakeClock as FakeClock
from shop_command.testing.fakes import FakeHelpers as FakeHelpers
from shop_command.testing.fakes import FakePublisher as FakePublisher
from shop_command.testing.fakes import InMemoryEventStore as InMemoryEventStore
from shop_command.testing.fakes import OneByOne as OneByOne
from shop_command.testing.fakes import SequentialIds as SequentialIds
from shop_command.testing.gateway import FakeGateway as FakeGateway
from shop_command.testing.shop import Shop as Shop
from shop_command.testing.shop import invoke as invoke
from shop_http.testing import http_event as http_event
