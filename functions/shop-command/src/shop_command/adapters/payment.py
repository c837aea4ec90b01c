"""PaymentGateway in Stripe's PaymentIntents format. https://docs.stripe.com/api/payment_intents

What an answer means is decided by what it proves about money, never by its status alone. No card or key is logged.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from shop_command.adapters import deadline
from shop_command.adapters.system import SecretUnavailableError
from shop_command.ports import Captured, Created, Declined, Refused, Unconfirmed, Unknown
from shop_observability.logs import logger
from shop_observability.tracing import subsegment
from shop_shared.values import Money

API_VERSION: Final = "2026-10-28.endive"
CONNECT_TIMEOUT_SECONDS: Final = 2.0
READ_TIMEOUT_SECONDS: Final = 8.0
"""Of each call. Two of them leave time to record their outcome within the API's 30 seconds."""
SENDS_MAX: Final = 2
CODE_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Mapping[str, Any]

    @property
    def error(self) -> Mapping[str, Any]:
        error = self.body.get("error")
        return error if isinstance(error, dict) else {}

    @property
    def reason(self) -> str:
        return f"HTTP {self.status} {self.error.get('type', '')} {self.error.get('code', '')}".strip()


class StripeGateway:
    def __init__(
        self,
        url: str,
        api_key: Callable[[], str],
        *,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url.rstrip("/")
        self._host = urlsplit(url).netloc
        self._api_key = api_key
        self._call_seconds_max = connect_timeout_seconds + read_timeout_seconds
        # Retries are not urllib3's business: it would repeat after a timeout too, and nobody has that much time.
        self._http = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=connect_timeout_seconds, read=read_timeout_seconds)
        )

    def create(self, reservation_id: str, amount: Money) -> Created | Refused | Unknown:
        fields = {
            "amount": str(amount.amount_minor),
            "currency": amount.currency.lower(),
            "payment_method_types[]": "card",  # without it, Stripe wants a return_url at confirmation
            "metadata[reservation_id]": reservation_id,
        }
        answer = self._call("POST", "/v1/payment_intents", fields, f"{reservation_id}:create")
        match answer:
            case Unknown():
                return answer
            case _Answer(status=200, body={"id": str(intent)}):
                return Created(intent)
            case _Answer(status=400) if answer.error.get("type") != "idempotency_error":
                return Refused(_code(answer.error))
            case _:
                return _unknown(answer)

    def confirm(
        self, payment_intent_id: str, reservation_id: str, attempt: int, payment_method: str
    ) -> Captured | Declined | Unknown:
        answer = self._call(
            "POST",
            f"/v1/payment_intents/{payment_intent_id}/confirm",
            {"payment_method": payment_method},
            f"{reservation_id}:confirm:{attempt}",
        )
        if isinstance(answer, Unknown):
            return answer
        if answer.status in (200, 400):
            known = _settled(answer.body if answer.status == 200 else answer.error.get("payment_intent"))
            if known is not None:
                return known
        if answer.status == 402 or (answer.status == 400 and answer.error.get("type") == "invalid_request_error"):
            # 400: the provider refused to try, for example because there is no such payment method. Nothing was
            # charged and a repeat ends the same way, so it is a decline: otherwise the reservation would be stuck.
            decline_code = answer.error.get("decline_code")
            return Declined(_code(answer.error), str(decline_code)[:CODE_CHARACTERS_MAX] if decline_code else None)
        return _unknown(answer)

    def retrieve(self, payment_intent_id: str) -> Captured | Declined | Unconfirmed | Unknown:
        answer = self._call("GET", f"/v1/payment_intents/{payment_intent_id}")
        if isinstance(answer, Unknown):
            return answer
        if answer.status != 200:
            return _unknown(answer)
        if answer.body.get("status") in ("requires_payment_method", "requires_confirmation", "requires_action"):
            return Unconfirmed()
        return _settled(answer.body) or _unknown(answer)

    def _call(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, idempotency_key: str | None = None
    ) -> _Answer | Unknown:
        url = self._url + path
        try:
            headers = {"Authorization": f"Bearer {self._api_key()}", "Stripe-Version": API_VERSION}
            if idempotency_key is not None:
                headers["Idempotency-Key"] = idempotency_key
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            response = self._send(method, url, urlencode(fields) if fields else None, headers)
            body = json.loads(response.data)
        except (HTTPError, SecretUnavailableError, deadline.OutOfTimeError, ValueError) as error:
            logger().warning("the payment provider did not answer", extra={"reason": type(error).__name__})
            return Unknown(type(error).__name__)
        return _Answer(response.status, body if isinstance(body, dict) else {})

    def _send(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """A connection that was kept while the execution environment slept is often dead, and only shows it when it is
        used. A new one is tried then, once: the idempotency key makes that safe, even if the first call arrived.
        """
        for tries in range(SENDS_MAX):
            deadline.require(self._call_seconds_max)
            try:
                with subsegment(self._host, "remote", http={"request": {"method": method, "url": url}}):
                    return self._http.request(method, url, body=body, headers=headers, redirect=False)
            except ProtocolError:
                if tries == SENDS_MAX - 1:
                    raise
        raise AssertionError("unreachable")


def _settled(intent: Any) -> Captured | Declined | Unknown | None:
    """What an intent's status proves. None: it waits for a confirmation."""
    match intent:
        case {"status": "succeeded"}:
            return Captured()
        case {"status": "processing"}:
            return Unknown("processing")
        case {"status": "canceled"}:
            return Declined("payment_intent_canceled")
        case {"status": "requires_action"}:
            # 3-D Secure, which only the customer's browser could go through. The shop has no page for it.
            return Declined("authentication_required")
        case _:
            return None


def _code(error: Mapping[str, Any]) -> str:
    return str(error.get("code") or error.get("type") or "unknown")[:CODE_CHARACTERS_MAX]


def _unknown(answer: _Answer) -> Unknown:
    logger().warning("the payment provider's answer leaves the outcome open", extra={"reason": answer.reason})
    return Unknown(answer.reason)
