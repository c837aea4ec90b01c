"""Makes requests of what the API's document says of a route, and of what is known of the running shop."""

import hashlib
import hmac
import json
import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

from shop_payment_provider.stripe.cards import CARDS

WRONG_RATE, STRANGER_RATE = 0.06, 0.04
PLAIN_CARDS: Final = (
    *("pm_card_visa", "pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"),
    "pm_card_createDispute",
)

WEBHOOKS: Final = (
    *("payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled"),
    *("charge.refunded", "charge.dispute.closed"),
)
QUANTITY_MAX: Final = 1_000


@dataclass(frozen=True)
class Bought:
    """A customer has reserved this, and perhaps paid for it."""

    id: str
    caller: str
    skus: tuple[str, ...]
    intent: str = ""


@dataclass
class Sent:
    """One request, which may be sent again. Its first final answer is the answer to each repeat."""

    route: str
    path: str
    caller: str
    key: str
    content: bytes | None
    headers: Mapping[str, str]
    skus: tuple[str, ...]
    final: tuple[int, Any] | None = None
    final_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class RequestMaker:
    """Many threads use it, and only append to what is known, which is safe without a lock."""

    document: Mapping[str, Any]
    callers: tuple[str, ...]
    """It has the customers' names, the administrator's, and the empty name of nobody."""
    webhook_secret: Path
    skus: deque[str]
    reservations: deque[Bought] = field(default_factory=lambda: deque(maxlen=60))
    purchases: deque[Bought] = field(default_factory=lambda: deque(maxlen=60))

    def request(self, route: str, randomness: Random) -> Sent | None:
        """Returns None while nothing is known that the route could be about."""
        method, path = route.split()
        operation = self.document["paths"][path][method.lower()]
        pool = {"reservation_id": self.reservations, "purchase_id": self.purchases}
        named = next((name for name in pool if f"{{{name}}}" in path or self._takes(operation, name)), None)
        if named and not pool[named]:
            return None
        subject = randomness.choice(list(pool[named])) if named else Bought("", "", ())
        caller = self._caller(operation, subject, randomness)
        sku = randomness.choice(list(self.skus))
        ids = {"reservation_id": subject.id, "purchase_id": subject.id}
        values = {"sku": sku, "stream_id": f"product-{sku}", **ids}
        path = re.sub(r"{(\w+)}", lambda found: values[found[1]], path) + self._query(operation, randomness)
        content, headers = self._content(operation, subject, randomness)
        key = f"hammer-{uuid.UUID(int=randomness.getrandbits(128))}"
        headers = {"X-Correlation-Id": key, **headers}
        skus = tuple(re.findall(rb'"sku": ?"([^"]+)"', content or b""))
        return Sent(route, path, caller, key, content, headers, tuple(sku.decode() for sku in skus) or subject.skus)

    def _takes(self, operation: Mapping[str, Any], name: str) -> bool:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        return name in self._resolved(body.get("schema", {})).get("properties", {})

    def _caller(self, operation: Mapping[str, Any], subject: Bought, randomness: Random) -> str:
        if randomness.random() < STRANGER_RATE:
            return randomness.choice(list(self.callers))
        if "administrator" in operation["x-who"]:
            return "administrator"
        customers = [name for name in self.callers if name.startswith("customer")]
        return subject.caller or randomness.choice(customers)

    def _query(self, operation: Mapping[str, Any], randomness: Random) -> str:
        queries = [it for it in operation["parameters"] if it.get("in") == "query" and it["name"] != "cursor"]
        examples = {it["name"]: it["example"] for it in queries if randomness.random() < 0.2}
        chosen = {name: ",".join(it) if isinstance(it, list) else str(it).lower() for name, it in examples.items()}
        chosen |= {"no_such_parameter": "1"} if randomness.random() < WRONG_RATE else {}
        chosen = {name: "1" if name == "min_version" else text for name, text in chosen.items()}
        return f"?{urlencode(chosen)}" if chosen else ""

    def _content(
        self, operation: Mapping[str, Any], subject: Bought, randomness: Random
    ) -> tuple[bytes | None, dict[str, str]]:
        is_wrong = randomness.random() < WRONG_RATE
        if "requestBody" not in operation:
            return (b"{}" if is_wrong else None), {}
        if any(it.get("name") == "Stripe-Signature" for it in operation["parameters"]):
            return self._webhook(randomness, is_forged=is_wrong)
        if not operation["requestBody"].get("required") and randomness.random() < 0.4:
            return None, {}
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = self._value("", schema, subject, randomness)
        if operation["operationId"] == "listProduct":
            body["sku"] = f"HAMMER-{randomness.getrandbits(48):X}"
        text = json.dumps(body)
        if is_wrong:
            more = randomness.choice(['"no_such_field": 1', f'"{next(iter(body), "a")}": 1', '"a": NaN'])
            text = f"{text[:-1]}, {more}}}" if body else "{"
        return text.encode(), {}

    def _webhook(self, randomness: Random, *, is_forged: bool) -> tuple[bytes, dict[str, str]]:
        subject = randomness.choice([*self.purchases, *self.reservations, Bought(str(uuid.uuid4()), "", (), "pi_none")])
        name = subject.intent or "pi_none"
        record = {"id": name, "payment_intent": name, "metadata": {"reservation_id": subject.id}}
        kind = randomness.choice(WEBHOOKS)
        payload = json.dumps({"id": "evt_hammer", "type": kind, "data": {"object": record}}).encode()
        secret = "whsec_guessed" if is_forged else self.webhook_secret.read_text().strip()
        now = str(int(time.time()))
        signed = hmac.new(secret.encode(), now.encode() + b"." + payload, hashlib.sha256).hexdigest()
        return payload, {"Stripe-Signature": f"t={now},v1={signed}"}

    def _value(self, name: str, schema: Mapping[str, Any], subject: Bought, randomness: Random) -> Any:
        schema = self._resolved(schema)
        match name, schema.get("type"):
            case "sku", _:
                return randomness.choice(list(subject.skus or self.skus))
            case (("reservation_id" | "purchase_id"), _):
                return subject.id
            case "payment_method", _:
                return randomness.choice(PLAIN_CARDS if randomness.random() < 0.8 else list(CARDS))
            case "currency", _:
                return "EUR"
            case _, "object":
                required = schema.get("required", [])
                properties = schema.get("properties", {}).items()
                chosen = {each: it for each, it in properties if each in required or randomness.random() < 0.4}
                return {each: self._value(each, it, subject, randomness) for each, it in chosen.items()}
            case _, "array":
                made = [self._value("", schema["items"], subject, randomness) for _ in range(randomness.randint(1, 2))]
                return list({json.dumps(it.get("sku", it) if isinstance(it, dict) else it): it for it in made}.values())
            case _, "integer":
                lowest, highest = schema.get("minimum", 1), schema.get("maximum", 3)
                # A large number is an amount of money or a delivery of stock, and a small one is counted by hand.
                return (
                    randomness.randint(100, 500) if highest > QUANTITY_MAX else randomness.randint(lowest, lowest + 2)
                )
            case _, "boolean":
                return randomness.random() < 0.5
            case _:
                return randomness.choice(schema.get("enum", schema.get("examples", ["text"])))

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follows references, and takes the first of alternatives such as a type and null."""
        while "$ref" in schema or "anyOf" in schema:
            if "anyOf" in schema:
                schema = schema["anyOf"][0]
                continue
            found: Any = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema
