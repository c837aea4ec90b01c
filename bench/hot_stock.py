"""Many customers at once reserve the last units of one product, at several numbers of stock buckets; then it audits.

SHOP_HOME names the running shop, as for ./shop. Exactly as many attempts as there are units succeed, and each of the
others is told that the product is out of stock. A 503 is sent again with the same key after the time that it names, and
so is what got no answer at all, or only the gateway's. Exits with 1 and names what differs. Prints a table in Markdown:
the times are those of single answers, without the pauses before a repeat.
"""

import argparse
import json
import statistics
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import httpx

from shop_cli.local.home import Home
from shop_cli.testing import Answer, Shop, run_shop

REPEATS_MAX: Final = 20
PAUSE_SECONDS: Final = 1
ANSWER_SECONDS_MAX: Final = 60
PROGRESS_SECONDS: Final = 5
AUDITS_MAX: Final = 5
AUDIT_PAUSE_SECONDS: Final = 30
"""What a slow answer left unpublished is paid by the sweep, once a minute: the audit is repeated over two of them."""
LEVELS: Final = ("available", "held", "sold")


@dataclass
class Round:
    """Keeps all attempts on one product. Many threads fill it, and only append, which is safe without a lock."""

    sku: str
    buckets: int
    units: int
    attempts: int
    reserved: list[str] = field(default_factory=list)
    held_until: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Each refusal adds the slug of its problem."""
    answer_ms: list[float] = field(default_factory=list)
    repeated: list[int | None] = field(default_factory=list)
    """The status of each answer that was no decision; None where there was none, or only the gateway's own."""
    unexpected: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def decided(self) -> int:
        return len(self.reserved) + len(self.refused) + len(self.unexpected)

    def row(self) -> str:
        cuts = statistics.quantiles(self.answer_ms, n=100, method="inclusive")
        p50, p95, p99 = (round(cuts[percent - 1]) for percent in (50, 95, 99))
        rate = self.attempts / self.seconds
        sold_out = self.refused.count("out-of-stock")
        tried_again = self.repeated.count(503)
        counts = f"{len(self.reserved)} | {sold_out} | {tried_again} | {len(self.repeated) - tried_again}"
        return (
            f"| {self.buckets} | {self.attempts} | {self.seconds:.0f} | {rate:.0f} | {counts} | {p50} | {p95} | {p99} |"
        )


HEADER: Final = """\
| buckets | attempts | seconds | attempts/s | 201 | 409 | 503 | no answer | p50 ms | p95 ms | p99 ms |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""


def attempt(shop: Shop, made: Round) -> None:
    key = str(uuid.uuid4())
    for _ in range(REPEATS_MAX):
        started = time.perf_counter()
        answer = _reserve(shop, key, made.sku)
        made.answer_ms.append((time.perf_counter() - started) * 1000)
        if answer is not None and answer.status < 500:
            _note(made, answer)
            return
        pause = answer.headers.get("Retry-After") if answer else None
        made.repeated.append(503 if pause else None)
        time.sleep(float(pause or PAUSE_SECONDS))
    made.unexpected.append(f"no decision in {REPEATS_MAX} tries")


def _reserve(shop: Shop, key: str, sku: str) -> Answer | None:
    body = {"lines": [{"sku": sku, "quantity": 1}]}
    try:
        return shop.customer("POST", "/reservations", key=key, body=body)
    except (httpx.TransportError, json.JSONDecodeError):
        return None


def _note(made: Round, answer: Answer) -> None:
    if answer.status == 201:
        made.reserved.append(answer.body["reservation_id"])
        made.held_until.append(answer.body["expires_at"])
    elif answer.status == 409:
        made.refused.append(answer.body["type"].rpartition("/")[2])
    else:
        made.unexpected.append(f"{answer.status} {answer.body}")


def run(shop: Shop, made: Round, clients: int) -> None:
    ended = threading.Event()

    def progress() -> None:
        while not ended.wait(PROGRESS_SECONDS):
            taken = f"{len(made.reserved)} reserved, {len(made.repeated)} repeated"
            done = f"{made.decided()} of {made.attempts}"
            print(f"  {made.buckets} buckets: {done}, {taken}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(clients) as customers, ThreadPoolExecutor(1) as other:
        for at_once in (1, 8, clients, clients):  # what has to be started for so many is started before the clock is
            list(customers.map(lambda _: _reserve(shop, str(uuid.uuid4()), "NO-SUCH-PRODUCT"), range(at_once)))
        telling, started = other.submit(progress), time.perf_counter()
        try:
            list(customers.map(lambda _: attempt(shop, made), range(made.attempts)))
            made.seconds = time.perf_counter() - started
        finally:
            ended.set()
        telling.result()


def differences(shop: Shop, made: Round) -> Iterator[str]:
    if min(made.held_until, default="9") < datetime.now(UTC).isoformat():
        yield "it took longer than a reservation holds, so units came back: choose fewer --attempts"
    expected = min(made.units, made.attempts)
    if len(made.reserved) != expected or len(set(made.reserved)) != expected:
        yield f"{expected} should be reserved; {len(made.reserved)} were, as {len(set(made.reserved))} reservations"
    for slug, count in Counter(made.refused).items():
        if slug != "out-of-stock":
            yield f"{count} were refused as {slug}"
    yield from made.unexpected
    should = {"available": made.units - expected, "held": expected, "sold": 0}
    levels = levels_of(shop, made)
    if levels != should:
        yield f"the buckets should hold {should}; they hold {levels}"


def levels_of(shop: Shop, made: Round) -> dict[str, int]:
    """As the table says, over all buckets."""
    table, name, total = shop.client("dynamodb"), shop.status["table_name"], dict.fromkeys(LEVELS, 0)
    for number in range(made.buckets):
        key = {"pk": {"S": f"stock#{made.sku}#{number}"}, "sk": {"S": "state"}}
        item = table.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item", {})
        for level in LEVELS:
            total[level] += int(item.get(level, {"N": "0"})["N"])
    return total


def measure(shop: Shop, arguments: argparse.Namespace) -> bool:
    clean, rows = True, [HEADER]
    for buckets in arguments.buckets:
        sku = shop.new_product(stock=arguments.units, buckets=buckets)
        made = Round(sku, buckets, arguments.units, arguments.attempts)
        run(shop, made, arguments.clients)
        rows.append(made.row())
        print(rows[-1], file=sys.stderr, flush=True)
        for difference in differences(shop, made):
            clean = False
            print(f"DIFFERENCE {buckets} buckets, {sku}: {difference}")
    print(*rows, sep="\n", flush=True)
    return audit(shop) and clean


def audit(shop: Shop) -> bool:
    for left in reversed(range(AUDITS_MAX)):
        verified = shop.command("verify", check=False)
        if verified.returncode == 0 or not left:
            break
        time.sleep(AUDIT_PAUSE_SECONDS)
    print(verified.stdout, verified.stderr)
    return verified.returncode == 0


def numbers(text: str) -> Sequence[int]:
    return [int(number) for number in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=10_000, help="at each number of buckets (10000)")
    parser.add_argument("--clients", type=int, default=64, help="at once (64)")
    parser.add_argument("--units", type=int, default=100, help="of the product (100)")
    parser.add_argument("--buckets", type=numbers, default=[1, 8, 64], help="one after the other (1,8,64)")
    arguments = parser.parse_args()
    home = Home.current()
    if home.run() is None:
        raise SystemExit("The shop does not run: ./shop up --detach")
    status = json.loads(run_shop(home.path, "status", "--json").stdout)
    with httpx.Client(timeout=ANSWER_SECONDS_MAX, limits=httpx.Limits(max_connections=arguments.clients)) as client:
        clean = measure(Shop(home.path, status, client), arguments)
    print("clean" if clean else "NOT CLEAN")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
