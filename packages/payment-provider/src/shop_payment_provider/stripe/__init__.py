"""A model of Stripe's payments: it decides what a request changes and how it is answered, and does nothing else.

It knows no HTTP and never waits; time, ids and storage come from outside. So the mock over HTTP, the simulation and
shop-command's unit tests share it.

api        requests: routes, parameters and idempotency keys
payments   the state machine of a payment intent, with its charges and refunds
disputes   the state machine of a dispute
records    records and events, and the pages in which they are listed
amounts    what can be charged in each currency
cards      what each test card leads to
wire       forms and errors as Stripe writes them, and the signature of a webhook
store      what storage has to offer, and one in memory
"""

from .api import Stripe as Stripe
from .cards import CARDS as CARDS
from .cards import Fault as Fault
from .disputes import Disputes as Disputes
from .store import MemoryStore as MemoryStore
from .wire import Reply as Reply
from .wire import signature as signature
