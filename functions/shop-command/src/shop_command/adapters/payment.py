"""The payment gateway speaks the format of Stripe's PaymentIntents. https://docs.stripe.com/api/payment_intents

What an answer means is decided by what it proves about money, never by its status alone. No card or key is logged.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from shop_command import ports
from shop_command.adapters import refund_answers, telemetry
from shop_command.adapters.system import SecretUnavailableError
from shop_command.ports import deadline
from shop_observability.logs import logger
from shop_shared import forms
from shop_shared.values import Money

API_VERSION: Final = "2026-10-28.endive"
CONNECT_TIMEOUT_SECONDS: Final = 2.0
READ_TIMEOUT_SECONDS: Final = 8.0
"""Each call takes no longer. Two of them leave time to record their outcome within the API's 30 seconds."""
SENDS_MAX: Final = 2
CODE_CHARACTERS_MAX: Final = 100
REFUNDS_PER_PAGE: Final = 100
REFUND_PAGES_MAX: Final = 3
"""A purchase has far fewer refunds. With more of them nothing is sent, because the wanted one may be among them."""


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Mapping[str, Any]

    @property
    def error(self) -> Mapping[str, Any]:
        error = self.body.get("error")
        return error if isinstance(error, dict) else {}

    @property
    def is_unexpected_state(self) -> bool:
        return self.status == 400 and self.error.get("code") == "payment_intent_unexpected_state"

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

    def create(
        self, reservation_id: str, attempt: int, amount: Money
    ) -> ports.IntentCreated | ports.Refused | ports.Unknown:
        fields = {
            "amount": str(amount.amount_minor),
            "currency": amount.currency.lower(),
            "payment_method_types[]": "card",  # without it, Stripe wants a return_url at confirmation
            "metadata[reservation_id]": reservation_id,
        }
        answer = self._call("POST", "/v1/payment_intents", fields, f"{reservation_id}:create:{attempt}")
        match answer:
            case ports.Unknown():
                return answer
            case _Answer(status=200, body={"id": str(intent)}):
                return ports.IntentCreated(intent)
            case _Answer(status=400) if answer.error.get("type") != "idempotency_error":
                return ports.Refused(_code(answer.error))
            case _:
                return _unknown(answer)

    def confirm(
        self, payment_intent_id: str, reservation_id: str, attempt: int, payment_method: str
    ) -> ports.ConfirmOutcome:
        answer = self._call(
            "POST",
            f"/v1/payment_intents/{payment_intent_id}/confirm",
            {"payment_method": payment_method},
            f"{reservation_id}:confirm:{attempt}",
        )
        outcome = answer if isinstance(answer, ports.Unknown) else self._confirmed(payment_intent_id, answer)
        telemetry.confirmed(outcome)
        return outcome

    def _confirmed(self, payment_intent_id: str, answer: _Answer) -> ports.ConfirmOutcome:
        if answer.status == 200:
            if answer.body.get("status") == "requires_action":
                # 3-D Secure, which only the customer's browser could go through. The shop has no page for it.
                return ports.Declined("authentication_required")
            return _ended(answer.body) or _unknown(answer)
        if answer.is_unexpected_state:
            # Ended by an earlier attempt whose key the provider has forgotten, or by somebody who cancelled it.
            return self._truth(payment_intent_id, answer)
        if answer.status == 402 or (answer.status == 400 and answer.error.get("type") == "invalid_request_error"):
            # 400: the provider refused to try, for example because there is no such payment method. Nothing was
            # charged and a repeat ends the same way, so it is a decline: otherwise the reservation would be stuck.
            decline_code = answer.error.get("decline_code")
            return ports.Declined(
                _code(answer.error), str(decline_code)[:CODE_CHARACTERS_MAX] if decline_code else None
            )
        return _unknown(answer)

    def retrieve(self, payment_intent_id: str) -> ports.RetrieveOutcome:
        answer = self._call("GET", f"/v1/payment_intents/{payment_intent_id}")
        if isinstance(answer, ports.Unknown):
            return answer
        if answer.status != 200:
            return _unknown(answer)
        if answer.body.get("status") in ("requires_payment_method", "requires_confirmation", "requires_action"):
            return ports.Unconfirmed()
        return _ended(answer.body) or _unknown(answer)

    def cancel(self, payment_intent_id: str) -> ports.CancelOutcome:
        # Without an idempotency key: a second cancel does no harm, and under a key the provider would give a refusal
        # again for a day, also when the reason for it has gone.
        answer = self._call("POST", f"/v1/payment_intents/{payment_intent_id}/cancel")
        if isinstance(answer, ports.Unknown):
            return answer
        if answer.status == 200:
            return _ended(answer.body) or _unknown(answer)
        return self._truth(payment_intent_id, answer) if answer.is_unexpected_state else _unknown(answer)

    def refund(self, order: ports.RefundOrder) -> ports.RefundOutcome:
        key = f"{order.payment_intent_id}:refund:{order.refund}"
        answer = self._call("POST", "/v1/refunds", refund_answers.form(order), key)
        if isinstance(answer, ports.Unknown):
            return answer
        if answer.status != 200:
            return refund_answers.refusal(answer.status, answer.error) or _unknown(answer)
        outcome = refund_answers.outcome(order, answer.body)
        if outcome is None:
            logger().error("the payment provider answered for another refund", extra={"reason": answer.reason})
        return outcome or _unknown(answer)

    def find_refund(self, order: ports.RefundOrder) -> ports.RefundOutcome | None:
        refunds = self._refunds(order.payment_intent_id)
        return refunds if isinstance(refunds, ports.Unknown) else refund_answers.found(order, refunds)

    def refunds_of(self, payment_intent_id: str, reservation_id: str) -> Sequence[ports.ListedRefund] | ports.Unknown:
        refunds = self._refunds(payment_intent_id)
        if isinstance(refunds, ports.Unknown):
            return refunds
        listed = [refund_answers.listed(payment_intent_id, reservation_id, refund) for refund in reversed(refunds)]
        return [refund for refund in listed if refund is not None]

    def reservation_of(self, payment_intent_id: str) -> str | ports.Unknown | None:
        answer = self._call("GET", f"/v1/payment_intents/{payment_intent_id}")
        if isinstance(answer, ports.Unknown):
            return answer
        match answer:
            case _Answer(status=200, body={"metadata": {"reservation_id": str(name)}}) if forms.UUID.matches(name):
                return name
            case _Answer(status=200, body={"id": str(found)}) if found == payment_intent_id:
                return None
            case _:
                return _unknown(answer)

    def _refunds(self, payment_intent_id: str) -> list[Any] | ports.Unknown:
        refunds: list[Any] = []
        path = f"/v1/refunds?payment_intent={payment_intent_id}&limit={REFUNDS_PER_PAGE}"
        for _ in range(REFUND_PAGES_MAX):
            after = f"&starting_after={refunds[-1]['id']}" if refunds else ""
            answer = self._call("GET", path + after)
            if isinstance(answer, ports.Unknown):
                return answer
            match answer.body:
                case {"data": [*page], "has_more": bool(has_more)} if answer.status == 200:
                    refunds += page
                case _:
                    return _unknown(answer)
            if not (has_more and page):
                return refunds
        return ports.Unknown("too many refunds")

    def _truth(self, payment_intent_id: str, refused: _Answer) -> ports.CancelOutcome:
        """Finds the state of an intent that a request was refused for: in the refusal, or by asking the provider."""
        known = _ended(refused.error.get("payment_intent"))
        if known is not None and not isinstance(known, ports.Processing):
            return known
        # The provider repeats a refusal for a day under its key, so what was under way then may be over by now.
        found = self.retrieve(payment_intent_id)
        return _unknown(refused) if isinstance(found, ports.Unconfirmed) else found

    def _call(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, idempotency_key: str | None = None
    ) -> _Answer | ports.Unknown:
        url = self._url + path
        try:
            headers = {"Authorization": f"Bearer {self._api_key()}", "Stripe-Version": API_VERSION}
            if idempotency_key is not None:
                headers["Idempotency-Key"] = idempotency_key
            if fields:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            response = self._send(method, url, urlencode(fields) if fields else None, headers)
            body = json.loads(response.data)
        except (HTTPError, SecretUnavailableError, deadline.OutOfTimeError, ValueError) as error:
            logger().warning("the payment provider did not answer", extra={"reason": type(error).__name__})
            return ports.Unknown(type(error).__name__)
        return _Answer(response.status, body if isinstance(body, dict) else {})

    def _send(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """A connection that was kept while the execution environment slept is often dead, and only shows it when it is
        used. A new one is tried then, once: no call of ours does more when it arrives twice.
        """
        for tries in range(SENDS_MAX):
            deadline.require(self._call_seconds_max)
            try:
                http: dict[str, Any] = {"request": {"method": method, "url": url}}
                with telemetry.payment_call(self._host, http):
                    response = self._http.request(method, url, body=body, headers=headers, redirect=False)
                    http["response"] = {"status": response.status}
                    return response
            except ProtocolError:
                if tries == SENDS_MAX - 1:
                    raise
        raise AssertionError("unreachable")


def _ended(intent: Any) -> ports.Captured | ports.IntentCancelled | ports.Processing | None:
    """Returns what an intent's status proves: None where it waits for a confirmation, or is no intent."""
    match intent:
        case {"status": "succeeded"}:
            return ports.Captured()
        case {"status": "canceled"}:
            return ports.IntentCancelled()
        case {"status": "processing"}:
            return ports.Processing()
        case _:
            return None


def _code(error: Mapping[str, Any]) -> str:
    return str(error.get("code") or error.get("type") or "unknown")[:CODE_CHARACTERS_MAX]


def _unknown(answer: _Answer) -> ports.Unknown:
    logger().warning("the payment provider's answer leaves the outcome open", extra={"reason": answer.reason})
    return ports.Unknown(answer.reason)
