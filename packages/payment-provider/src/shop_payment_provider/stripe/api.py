"""Answers requests in Stripe's format: routes, parameters, and idempotency keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from . import wire
from .cards import Fault
from .payments import Payments
from .store import Listing, Record, Store
from .wire import ApiError, Reply, Validator

KEY_CHARACTERS_MAX: Final = 255
KEY_LIFETIME_SECONDS: Final = 24 * 3600  # https://docs.stripe.com/api/idempotent_requests
PENDING_MAX: Final = 1_000_000

_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer")
_AMOUNT: Final = wire.integer(1, wire.AMOUNT_MAX)
_CONFIRM: Final[Mapping[str, Validator]] = {"payment_method": wire.string, "return_url": wire.string}
_CREATE: Final[Mapping[str, Validator]] = {
    **_CONFIRM,
    "amount": _AMOUNT,
    "automatic_payment_methods": wire.automatic_payment_methods,
    "capture_method": wire.one_of("automatic", "automatic_async"),
    "confirm": wire.boolean,
    "currency": wire.currency,
    "description": wire.string,
    "metadata": wire.metadata,
    "payment_method_types": wire.list_of("card"),
}
_CANCEL: Final[Mapping[str, Validator]] = {"cancellation_reason": wire.one_of(*_REASONS, "abandoned")}
_REFUND: Final[Mapping[str, Validator]] = {
    "amount": _AMOUNT,
    "metadata": wire.metadata,
    "payment_intent": wire.string,
    "reason": wire.one_of(*_REASONS),
}
_EVIDENCE: Final[Mapping[str, Validator]] = {"evidence": wire.hash_of_strings, "submit": wire.boolean}
_PAGE: Final[Mapping[str, Validator]] = {
    "ending_before": wire.string,
    "limit": wire.integer(1, 100),
    "starting_after": wire.string,
}
_FILTERS: Final[Mapping[str, Mapping[str, Validator]]] = {
    "payment_intents": _PAGE,
    "charges": {**_PAGE, "payment_intent": wire.string},
    "refunds": {**_PAGE, "payment_intent": wire.string},
    "disputes": {**_PAGE, "charge": wire.string, "payment_intent": wire.string},
    "events": {**_PAGE, "created": wire.interval, "types": wire.strings},
}


@dataclass(frozen=True)
class StripeOperation:
    run: Callable[[Record], Reply]
    parameters: Mapping[str, Validator]
    required: tuple[str, ...] = ()


class Stripe:
    """It is made anew for each moment. A caller that shares the store with others runs each call in a transaction."""

    def __init__(
        self, store: Store, *, now: float, new_id: Callable[[str], str], pages: str = "https://hooks.stripe.invalid"
    ) -> None:
        """`new_id` takes a prefix such as `pi`, and returns an id that has never been used. The pages of 3-D Secure
        are below `pages`."""
        self._store = store
        self._now = now
        self.payments = Payments(store, now=now, new_id=new_id, pages=pages)

    def request(self, method: str, path: str, form: bytes = b"", key: str | None = None, request_id: str = "") -> Reply:
        """`form` is the body of a POST, and the query of a GET. The first answer to a key is given again for a day."""
        try:
            kept_as = f"idempotency_key:{key}" if key and method == "POST" else None
            operation = self._operation(method, path, kept_as)
            given = wire.validate(wire.parse_form(form), operation.parameters, operation.required)
            if kept_as is None:
                return _executed(operation, given)
            kept = self._kept(str(key), path, given)
        except ApiError as error:
            return error.reply
        if kept is not None:
            return Reply(kept["status"], kept["body"], original_request=kept["request_id"])
        reply = _executed(operation, given)
        first = {"object": "idempotency_key", "id": kept_as, "endpoint": path, "parameters": given}
        is_open = reply.fault is Fault.SLOW  # `settle` will write the answer
        answer = {"status": None, "body": None} if is_open else {"status": reply.status, "body": reply.body}
        self._store.put({**first, "request_id": request_id, "created": self._now, **answer})
        return reply

    def pending(self, since: float | None = None) -> list[str]:
        """Returns the ids of payments and refunds that wait to be settled, and were begun no later than `since`."""
        found = self._store.page("pending", Listing(PENDING_MAX))[::-1]
        return [pending["of"] for pending in found if since is None or pending["since"] <= since]

    def _operation(self, method: str, path: str, key: str | None) -> StripeOperation:
        payments = self.payments
        match method, path.split("/"):
            case "POST", ["", "v1", "payment_intents"]:
                return StripeOperation(lambda given: payments.create(given, key), _CREATE, ("amount", "currency"))
            case "POST", ["", "v1", "payment_intents", name, "confirm"]:
                return StripeOperation(lambda given: payments.confirm(name, given, key), _CONFIRM)
            case "POST", ["", "v1", "payment_intents", name, "cancel"]:
                return StripeOperation(lambda given: payments.cancel(name, given), _CANCEL)
            case "POST", ["", "v1", "refunds"]:
                return StripeOperation(payments.refund, _REFUND, ("payment_intent",))
            case "POST", ["", "v1", "disputes", name]:
                return StripeOperation(lambda given: payments.disputes.update(name, given), _EVIDENCE)
            case "POST", ["", "v1", "disputes", name, "close"]:
                return StripeOperation(lambda _: payments.disputes.close(name), {})
            case "GET", ["", "v1", kinds] if kinds in _FILTERS:
                return StripeOperation(lambda given: payments.page(kinds[:-1], path, given), _FILTERS[kinds])
            case "GET", ["", "v1", kinds, name] if kinds in _FILTERS:
                return StripeOperation(lambda _: Reply(200, payments.find(kinds[:-1], name)), {})
            case _:
                raise ApiError(404, f"Unrecognized request URL ({method}: {path}).")

    def _kept(self, key: str, path: str, given: Record) -> Record | None:
        """Returns what was answered first under this key, and raises ApiError if that was something else."""
        if len(key) > KEY_CHARACTERS_MAX:
            raise ApiError(400, f"Idempotency keys have at most {KEY_CHARACTERS_MAX} characters.")
        kept = self._store.get("idempotency_key", f"idempotency_key:{key}")
        if kept is None or kept["created"] <= self._now - KEY_LIFETIME_SECONDS:
            return None
        hint = f"Try using a key other than '{key}' if you meant to execute a different request."
        if kept["endpoint"] != path:
            message = "Keys for idempotent requests can only be used for the same endpoint they were first used for"
            raise ApiError(400, f"{message} ('{kept['endpoint']}' vs '{path}'). {hint}", kind="idempotency_error")
        if kept["parameters"] != given:
            message = "Keys for idempotent requests can only be used with the same parameters they were first used with"
            raise ApiError(400, f"{message}. {hint}", kind="idempotency_error")
        if kept["status"] is None:
            message = "There is currently another in-progress request using this Idempotent Key"
            raise ApiError(409, f"{message}: {key}. Please try again later.", code="idempotency_key_in_use")
        return kept


def _executed(operation: StripeOperation, given: Record) -> Reply:
    try:
        return operation.run(given)
    except ApiError as error:
        return error.reply  # execution had begun, so Stripe keeps this refusal under the key as well
