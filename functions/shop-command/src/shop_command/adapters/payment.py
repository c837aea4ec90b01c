"""The payment gateway speaks the format of Stripe's PaymentIntents. https://docs.stripe.com/api/payment_intents

What an answer means is decided by what it proves about money, never by its status alone, and it counts only for what
was asked. No card or key is logged.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from http.client import UNAUTHORIZED
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
from msgspec import Struct
from urllib3.exceptions import HTTPError, ProtocolError

from shop_command import ports
from shop_command.adapters import dispute_answers, provider_events, refund_answers, telemetry
from shop_command.adapters.provider_errors import CODE_CHARACTERS_MAX, LASTING, Proof, proof
from shop_command.adapters.secrets import Secret, SecretUnavailableError
from shop_command.ports import deadline
from shop_observability.logs import logger
from shop_shared import forms
from shop_shared.currencies import CURRENCIES, to_provider
from shop_shared.values import Money

API_VERSION: Final = "2026-10-28.endive"
CONNECT_TIMEOUT_SECONDS: Final = 2.0
READ_TIMEOUT_SECONDS: Final = 8.0
"""Each call takes no longer. Two of them leave time to record their outcome within the API's 30 seconds."""
SENDS_MAX: Final = 2
LISTED_PER_PAGE: Final = 100
LIST_PAGES_MAX: Final = 3
"""A purchase has far fewer refunds. With more of them nothing is sent, because the wanted one may be among them."""


class _Answer(Struct, frozen=True):
    status: int
    body: Mapping[str, Any]

    @property
    def error(self) -> Mapping[str, Any]:
        error = self.body.get("error")
        return error if isinstance(error, dict) else {}

    @property
    def proof(self) -> Proof | None:
        """Returns None for an answer that is no error."""
        return None if self.status == 200 else proof(self.status, self.error)

    @property
    def reason(self) -> str:
        return f"HTTP {self.status} {self.error.get('type', '')} {self.error.get('code', '')}".strip()


class StripeGateway:
    def __init__(
        self,
        url: str,
        api_key: Secret,
        *,
        return_url: str = "",
        connections_max: int = 1,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url.rstrip("/")
        self._host = urlsplit(url).netloc
        self._api_key = api_key
        self._return_url = return_url
        self._call_seconds_max = connect_timeout_seconds + read_timeout_seconds
        # Retries and redirects are not urllib3's business: it would repeat after a timeout too, and nobody has that
        # much time.
        self._http = urllib3.PoolManager(
            retries=False,
            maxsize=connections_max,
            timeout=urllib3.Timeout(connect=connect_timeout_seconds, read=read_timeout_seconds),
        )

    def create(
        self, reservation_id: str, attempt: int, amount: Money
    ) -> ports.IntentCreated | ports.Refused | ports.Unknown:
        charged = to_provider(amount.amount_minor, amount.currency)
        if charged is None or amount.currency not in CURRENCIES:
            # Placed before such totals were refused. No other amount than the reservation's own may be asked for.
            return ports.Refused("amount_not_payable")
        fields = {
            "amount": str(charged),
            "currency": amount.currency.lower(),
            "payment_method_types[]": "card",  # without it, Stripe wants a return_url at confirmation
            "metadata[reservation_id]": reservation_id,
        }
        answer = self._call("POST", "/v1/payment_intents", fields, f"{reservation_id}:create:{attempt}")
        match answer:
            case ports.Unknown():
                return answer
            case _Answer(status=200, body={"id": str(intent_id)}):
                intent = ports.AskedIntent(intent_id, reservation_id, amount)
                return ports.IntentCreated(intent_id) if _is_asked(intent, answer.body) else _another(intent)
            case _ if answer.proof is Proof.REFUSED:
                return ports.Refused(_code(answer.error))
            case _:
                return _unknown(answer)

    def confirm(self, intent: ports.AskedIntent, attempt: int, payment_method: str) -> ports.ConfirmOutcome:
        fields = {"payment_method": payment_method}
        if self._return_url:
            fields["return_url"] = self._return_url  # where the browser goes after 3-D Secure
        key = f"{intent.reservation_id}:confirm:{attempt}"
        answer = self._call("POST", f"/v1/payment_intents/{intent.id}/confirm", fields, key)
        outcome = answer if isinstance(answer, ports.Unknown) else self._confirmed(intent, answer)
        if isinstance(outcome, ports.ActionRequired):
            outcome = self._asked_now(intent, outcome)
        telemetry.confirmed(outcome)
        return outcome

    def _asked_now(self, intent: ports.AskedIntent, then: ports.ActionRequired) -> ports.ConfirmOutcome:
        """The provider repeats for a day under its key that the customer has to act, whatever has come of it since."""
        found = self.retrieve(intent)
        match found:
            case ports.Unconfirmed(code=str(code), decline_code=decline_code):
                return ports.Declined(code, decline_code)
            case ports.Unconfirmed() | ports.Unknown():
                return then
            case _:
                return found

    def _confirmed(self, intent: ports.AskedIntent, answer: _Answer) -> ports.ConfirmOutcome:
        named = answer.error.get("payment_intent")
        if named is not None and not _is_asked(intent, named):
            return _another(intent)
        match answer.proof:
            case None:
                found = _state(intent, answer.body)
                return _unknown(answer) if isinstance(found, ports.Unconfirmed) else found
            case Proof.ENDED:
                # An earlier attempt, whose key the provider has forgotten, has ended it, or somebody has cancelled it.
                return self._truth(intent, answer)
            case Proof.DECLINED | Proof.REFUSED:
                # What was refused for good, for example because there is no such payment method, is declined as well:
                # nothing was charged and a repeat ends the same way, so the reservation would be stuck otherwise.
                return ports.Declined(_code(answer.error), _decline_code(answer.error))
            case Proof.MISSING:
                return _missing(intent, answer)
            case Proof.OURS | Proof.NOTHING:
                return _unknown(answer)

    def retrieve(self, intent: ports.AskedIntent) -> ports.RetrieveOutcome:
        answer = self._call("GET", f"/v1/payment_intents/{intent.id}")
        if isinstance(answer, ports.Unknown):
            return answer
        match answer.proof:
            case None:
                return _state(intent, answer.body)
            case Proof.MISSING:
                return _missing(intent, answer)
            case _:
                return _unknown(answer)

    def cancel(self, intent: ports.AskedIntent) -> ports.CancelOutcome:
        # Without an idempotency key: a second cancel does no harm, and under a key the provider would give a refusal
        # again for a day, also when the reason for it has gone.
        answer = self._call("POST", f"/v1/payment_intents/{intent.id}/cancel")
        if isinstance(answer, ports.Unknown):
            return answer
        match answer.proof:
            case None:
                found = _state(intent, answer.body)
                return _unknown(answer) if isinstance(found, ports.Unconfirmed | ports.ActionRequired) else found
            case Proof.ENDED:
                return self._truth(intent, answer)
            case Proof.MISSING:
                return _missing(intent, answer)
            case _:
                return _unknown(answer)

    def refund(self, order: ports.RefundOrder) -> ports.RefundOutcome:
        key = f"{order.payment_intent_id}:refund:{order.refund}"
        answer = self._call("POST", "/v1/refunds", refund_answers.form(order), key)
        if isinstance(answer, ports.Unknown):
            return answer
        if answer.proof is not None:
            return ports.RefundRefused(_code(answer.error)) if answer.proof in LASTING else _unknown(answer)
        outcome = refund_answers.outcome(order, answer.body)
        if outcome is None:
            logger().error("the payment provider answered for another refund", extra={"reason": answer.reason})
        return outcome or _unknown(answer)

    def find_refund(self, order: ports.RefundOrder) -> ports.RefundOutcome | None:
        refunds = self._listed("refunds", order.payment_intent_id)
        return refunds if isinstance(refunds, ports.Unknown) else refund_answers.found(order, refunds)

    def refunds_of(self, payment_intent_id: str, reservation_id: str) -> Sequence[ports.ListedRefund] | ports.Unknown:
        refunds = self._listed("refunds", payment_intent_id)
        if isinstance(refunds, ports.Unknown):
            return refunds
        listed = [refund_answers.listed(payment_intent_id, reservation_id, refund) for refund in reversed(refunds)]
        return [refund for refund in listed if refund is not None]

    def disputes_of(self, payment_intent_id: str) -> Sequence[ports.ListedDispute] | ports.Unknown:
        disputes = self._listed("disputes", payment_intent_id)
        if isinstance(disputes, ports.Unknown):
            return disputes
        read = [dispute_answers.listed(payment_intent_id, dispute) for dispute in reversed(disputes)]
        if None in read:
            telemetry.payment_alert("a dispute that can't be read", payment_intent_id)
        return [dispute for dispute in read if dispute is not None]

    def events_after(self, event_id: str) -> ports.EventPage | ports.EventsForgotten | ports.Unknown:
        return self._events(ending_before=event_id)

    def events_since(self, time: datetime, before: str | None = None) -> ports.EventPage | ports.Unknown:
        older = {"starting_after": before} if before else {}
        found = self._events(**{"created[gte]": str(int(time.timestamp()))}, **older)
        return ports.Unknown("no such event") if isinstance(found, ports.EventsForgotten) else found

    def _events(self, **conditions: str) -> ports.EventPage | ports.EventsForgotten | ports.Unknown:
        answer = self._call("GET", provider_events.path(**conditions))
        if isinstance(answer, ports.Unknown):
            return answer
        if answer.error.get("code") == "resource_missing" and answer.error.get("param") in conditions:
            return ports.EventsForgotten()
        return (provider_events.page(answer.body) if answer.status == 200 else None) or _unknown(answer)

    def reservation_of(self, payment_intent_id: str) -> str | ports.Unknown | None:
        answer = self._call("GET", f"/v1/payment_intents/{payment_intent_id}")
        if isinstance(answer, ports.Unknown):
            return answer
        match answer:
            case _Answer(status=200, body={"metadata": {"reservation_id": str(name)}}) if forms.UUID.matches(name):
                return name
            case _Answer(status=200, body={"id": str(found)}) if found == payment_intent_id:
                return None
            case _ if answer.proof is Proof.MISSING:
                return None
            case _:
                return _unknown(answer)

    def _listed(self, kind: str, payment_intent_id: str) -> list[Any] | ports.Unknown:
        found: list[Any] = []
        path = f"/v1/{kind}?payment_intent={payment_intent_id}&limit={LISTED_PER_PAGE}"
        for _ in range(LIST_PAGES_MAX):
            after = f"&starting_after={found[-1]['id']}" if found else ""
            answer = self._call("GET", path + after)
            if isinstance(answer, ports.Unknown):
                return answer
            match answer.body:
                case {"data": [*page], "has_more": bool(has_more)} if answer.status == 200:
                    found += page
                case _:
                    return _unknown(answer)
            if not (has_more and page):
                return found
        return ports.Unknown(f"too many {kind}")

    def _truth(self, intent: ports.AskedIntent, refused: _Answer) -> ports.CancelOutcome:
        """Finds the state of an intent that a request was refused for: in the refusal, or by asking the provider."""
        named = refused.error.get("payment_intent")
        known = _state(intent, named) if named is not None else None
        if isinstance(known, ports.Captured | ports.IntentCancelled):
            return known
        # The provider repeats a refusal for a day under its key, so what was under way then may be over by now.
        found = self.retrieve(intent)
        return _unknown(refused) if isinstance(found, ports.Unconfirmed | ports.ActionRequired) else found

    def _call(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, idempotency_key: str | None = None
    ) -> _Answer | ports.Unknown:
        url = self._url + path
        try:
            headers = {"Stripe-Version": API_VERSION}
            if idempotency_key is not None:
                headers["Idempotency-Key"] = idempotency_key
            if fields:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            response = self._authorized(method, url, urlencode(fields) if fields else None, headers)
            body = json.loads(response.data)
        except (HTTPError, SecretUnavailableError, deadline.OutOfTimeError, ValueError) as error:
            logger().warning("the payment provider did not answer", extra={"reason": type(error).__name__})
            return ports.Unknown(type(error).__name__)
        return _Answer(response.status, body if isinstance(body, dict) else {})

    def _authorized(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        """A key that is refused may have been replaced meanwhile. The provider has done nothing then."""
        keys = self._api_key.values()
        response = self._send(method, url, body, {**headers, "Authorization": f"Bearer {keys[0]}"})
        if response.status == UNAUTHORIZED and (newer := self._api_key.others_than(keys)):
            return self._send(method, url, body, {**headers, "Authorization": f"Bearer {newer[0]}"})
        return response

    def _send(self, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """A connection that was kept while the execution environment slept is often dead, and only shows it when it is
        used. A new one is tried then, once: no call of ours does more when it arrives twice.
        """
        for tries in range(SENDS_MAX):
            deadline.require(self._call_seconds_max)
            try:
                http: dict[str, Any] = {"request": {"method": method, "url": url}}
                with telemetry.payment_call(self._host, http):
                    response = self._http.request(method, url, body=body, headers=headers)
                    http["response"] = {"status": response.status}
                    return response
            except ProtocolError:
                if tries == SENDS_MAX - 1:
                    raise
        raise AssertionError("unreachable")


def _state(
    intent: ports.AskedIntent, found: Any
) -> (
    ports.Captured | ports.IntentCancelled | ports.Processing | ports.ActionRequired | ports.Unconfirmed | ports.Unknown
):
    """Returns what the provider's object proves about the intent that was asked for: nothing, if it is another one."""
    if not _is_asked(intent, found):
        return _another(intent)
    match found["status"]:
        case "succeeded":
            return ports.Captured() if found.get("amount_received") == found["amount"] else _another(intent)
        case "canceled":
            return ports.IntentCancelled()
        case "processing":
            return ports.Processing()
        case "requires_action":
            return _action(found)
        case "requires_payment_method" | "requires_confirmation":
            error = found.get("last_payment_error") or {}
            return ports.Unconfirmed(_code(error) if error else None, _decline_code(error))
        case _:
            return ports.Unknown("an unknown status")


def _action(found: Mapping[str, Any]) -> ports.ActionRequired:
    match found.get("next_action"):
        case {"redirect_to_url": {"url": str(url)}}:
            return ports.ActionRequired(str(found.get("client_secret")), url)
        case _:
            return ports.ActionRequired(str(found.get("client_secret")), None)


def _is_asked(intent: ports.AskedIntent, found: Any) -> bool:
    wanted = to_provider(intent.amount.amount_minor, intent.amount.currency), intent.amount.currency.lower()
    match found:
        case {
            "id": intent.id,
            "status": str(),
            "amount": int(its_amount),
            "currency": str(its_currency),
            "metadata": {"reservation_id": intent.reservation_id},
        }:
            return (its_amount, its_currency) == wanted
        case _:
            return False


def _another(intent: ports.AskedIntent) -> ports.Unknown:
    """Money may have moved, and not as it was asked for: the payment stays due, and operators have to look."""
    telemetry.payment_alert("the answer is about another intent, reservation, amount or currency", intent.id)
    return ports.Unknown("not what was asked for")


def _missing(intent: ports.AskedIntent, answer: _Answer) -> ports.IntentMissing:
    # Somebody may have changed the provider's account, and then every open payment is ended like this.
    telemetry.payment_alert(answer.reason, intent.id)
    return ports.IntentMissing()


def _code(error: Mapping[str, Any]) -> str:
    return str(error.get("code") or error.get("type") or "unknown")[:CODE_CHARACTERS_MAX]


def _decline_code(error: Mapping[str, Any]) -> str | None:
    decline_code = error.get("decline_code")
    return str(decline_code)[:CODE_CHARACTERS_MAX] if decline_code else None


def _unknown(answer: _Answer) -> ports.Unknown:
    if answer.proof is Proof.OURS:
        telemetry.payment_alert(answer.reason, None)
    logger().warning("the payment provider's answer leaves the outcome open", extra={"reason": answer.reason})
    return ports.Unknown(answer.reason)
