from collections.abc import Callable

import pytest

from shop_command.domain import errors, product
from shop_command.domain.product import (
    AdjustStock,
    Command,
    Describe,
    Listed,
    ListProduct,
    Product,
    ProductEvent,
    ReceiveStock,
    RedistributeStock,
    Relist,
    Reprice,
    Retire,
)
from shop_command.testing.deciders import Given
from shop_shared.events import (
    ProductDescribed,
    ProductListed,
    ProductRelisted,
    ProductRepriced,
    ProductRetired,
    StockAdjusted,
    StockReceived,
    StockRedistributed,
)
from shop_shared.values import Allocation, Price

PRICE = Price(amount_minor=500, currency="EUR")
LISTED = ProductListed(sku="MUG", name="Mug", description="Blue", price=PRICE, stock_buckets=3)
RETIRED = ProductRetired(sku="MUG")
RELISTED = ProductRelisted(sku="MUG")
DESCRIBED = ProductDescribed(sku="MUG", name="Cup", description="Red\nand round", category="cups")
NOTHING: Given[Product, ProductEvent] = Given(None, product.evolve)


def received(quantity: int, *allocations: tuple[int, int]) -> StockReceived:
    made = tuple(Allocation(bucket=bucket, quantity=amount) for bucket, amount in allocations)
    return StockReceived(sku="MUG", quantity=quantity, allocations=made)


def adjusted(quantity_change: int, reason: str, *allocations: tuple[int, int]) -> StockAdjusted:
    made = tuple(Allocation(bucket=bucket, quantity=amount) for bucket, amount in allocations)
    return StockAdjusted(sku="MUG", quantity_change=quantity_change, reason=reason, allocations=made)


def command(to_decide: Command) -> Callable[[Product | None], tuple[ProductEvent, ...]]:
    return lambda state: product.decide(to_decide, state)


LIST = command(ListProduct("MUG", "Mug", "Blue", PRICE, 3))


def receive(quantity: int, first_bucket: int = 0) -> Callable[[Product | None], tuple[ProductEvent, ...]]:
    return command(ReceiveStock("MUG", quantity, first_bucket))


def test_a_new_product_is_listed() -> None:
    NOTHING.when(LIST).then(LISTED)
    with_category = command(ListProduct("MUG", "Mug", "Blue", PRICE, 3, "mugs"))
    NOTHING.when(with_category).then(LISTED.model_copy(update={"category": "mugs"}))


def test_a_listed_product_is_not_listed_again() -> None:
    NOTHING.given(LISTED).when(LIST).then_rejected(errors.ProductAlreadyListedError, sku="MUG")


def test_a_retired_product_is_not_listed_again() -> None:
    NOTHING.given(LISTED, RETIRED).when(LIST).then_rejected(errors.ProductAlreadyListedError, sku="MUG")


def test_stock_is_spread_over_the_buckets() -> None:
    NOTHING.given(LISTED).when(receive(10)).then(received(10, (0, 4), (1, 3), (2, 3)))


def test_the_remainder_goes_to_the_chosen_bucket_and_those_after_it() -> None:
    NOTHING.given(LISTED).when(receive(2, first_bucket=5)).then(received(2, (0, 1), (2, 1)))


COMMANDS: list[Command] = [
    ReceiveStock("MUG", 1, 0),
    AdjustStock("MUG", -1, "Broken", 0, (Allocation(bucket=0, quantity=1),)),
    Describe("MUG", "Cup", ""),
    Reprice("MUG", PRICE),
    RedistributeStock("MUG", 4, {0: 5}),
    Retire("MUG"),
]


@pytest.mark.parametrize("refused", COMMANDS)
def test_a_product_that_was_never_listed_has_no_price_or_stock_to_change(refused: Command) -> None:
    NOTHING.when(command(refused)).then_rejected(errors.ProductNotFoundError, sku="MUG")


@pytest.mark.parametrize("refused", COMMANDS)
def test_a_retired_product_is_not_changed(refused: Command) -> None:
    NOTHING.given(LISTED, RETIRED).when(command(refused)).then_rejected(errors.ProductRetiredError, sku="MUG")


def test_a_listed_product_is_repriced() -> None:
    new = Price(amount_minor=700, currency="EUR")
    NOTHING.given(LISTED).when(command(Reprice("MUG", new))).then(ProductRepriced(sku="MUG", price=new))


def test_a_price_in_another_currency_has_to_be_meant() -> None:
    new = Price(amount_minor=700, currency="USD")
    rejected = NOTHING.given(LISTED).when(command(Reprice("MUG", new)))
    rejected.then_rejected(errors.CurrencyChangeError, sku="MUG", currency="EUR", new_currency="USD")
    meant = command(Reprice("MUG", new, allow_currency_change=True))
    NOTHING.given(LISTED).when(meant).then(ProductRepriced(sku="MUG", price=new))


UNPAYABLE = [
    (500, "ZZZ", errors.UnsupportedCurrencyError, {}),
    (500, "XXX", errors.UnsupportedCurrencyError, {}),
    (500, "DEM", errors.UnsupportedCurrencyError, {}),
    (5_123, "KWD", errors.AmountNotPayableError, {"multiple_of": 10, "amount_minor_max": 99_999_999}),
    (550, "MGA", errors.AmountNotPayableError, {"multiple_of": 100, "amount_minor_max": 9_999_999_900}),
    (1_000_000, "ISK", errors.AmountNotPayableError, {"multiple_of": 1, "amount_minor_max": 999_999}),
]


@pytest.mark.parametrize(("amount_minor", "currency", "error", "fields"), UNPAYABLE)
def test_a_price_that_nobody_can_pay_is_neither_listed_nor_set(
    amount_minor: int, currency: str, error: type[errors.DomainError], fields: dict[str, int]
) -> None:
    price = Price(amount_minor=amount_minor, currency=currency)
    named = {"currency": currency, **({"amount_minor": amount_minor, **fields} if fields else {})}
    listing = NOTHING.when(command(ListProduct("MUG", "Mug", "Blue", price, 3)))
    listing.then_rejected(error, **named)
    repricing = NOTHING.given(LISTED).when(command(Reprice("MUG", price, allow_currency_change=True)))
    repricing.then_rejected(error, **named)


def test_a_product_of_an_unknown_currency_is_repriced_out_of_it() -> None:
    old = LISTED.model_copy(update={"price": Price(amount_minor=500, currency="DEM")})
    NOTHING.given(old).when(command(Reprice("MUG", PRICE, allow_currency_change=True))).then(
        ProductRepriced(sku="MUG", price=PRICE)
    )


def test_a_listed_product_is_retired() -> None:
    NOTHING.given(LISTED).when(command(Retire("MUG"))).then(RETIRED)


def redistributed(buckets: int, taken: dict[int, int], given: dict[int, int]) -> StockRedistributed:
    sides = (tuple(Allocation(bucket=n, quantity=q) for n, q in side.items()) for side in (taken, given))
    return StockRedistributed(
        sku="MUG", stock_buckets=buckets, allocations_from=next(sides), allocations_to=next(sides)
    )


def test_stock_is_redistributed_over_more_buckets() -> None:
    to_decide = RedistributeStock("MUG", 4, {0: 4, 1: 3, 2: 3})
    NOTHING.given(LISTED).when(command(to_decide)).then(redistributed(4, {0: 1, 2: 1}, {3: 2}))


def test_stock_is_redistributed_over_fewer_buckets() -> None:
    to_decide = RedistributeStock("MUG", 1, {0: 4, 1: 3, 2: 3})
    NOTHING.given(LISTED).when(command(to_decide)).then(redistributed(1, {1: 3, 2: 3}, {0: 6}))


def test_the_number_of_buckets_changes_even_where_there_is_nothing_to_move() -> None:
    NOTHING.given(LISTED).when(command(RedistributeStock("MUG", 9, {0: 0}))).then(redistributed(9, {}, {}))


def test_all_buckets_that_ever_were_are_looked_through() -> None:
    after = NOTHING.given(LISTED, redistributed(8, {}, {}), redistributed(2, {}, {}))
    assert after.state == Listed("MUG", "Mug", "Blue", PRICE, stock_buckets=2, buckets_ever=8)
    assert list(after.state.bucket_numbers()) == list(range(8))
    after.when(receive(2)).then(received(2, (0, 1), (1, 1)))


def test_a_state_from_before_buckets_could_change_is_read() -> None:
    stream = product.stream("MUG")
    now = Listed("MUG", "Mug", "Blue", PRICE, 3)
    stored = stream.to_json(now).replace('"buckets_ever":0,', "")
    assert "buckets_ever" not in stored
    before = stream.from_json(stored)
    assert isinstance(before, Listed)
    assert before.bucket_numbers() == range(3)
    after = product.evolve(before, redistributed(1, {}, {}))
    assert isinstance(after, Listed)
    assert after.bucket_numbers() == range(3)


def test_a_repriced_product_has_the_new_price_and_its_stock_is_unaffected() -> None:
    new = Price(amount_minor=700, currency="EUR")
    after = NOTHING.given(LISTED, received(1, (0, 1)), ProductRepriced(sku="MUG", price=new))
    assert after.state == Listed("MUG", "Mug", "Blue", new, 3, 3)


def test_a_retired_product_stays_retired_whatever_follows_but_a_relisting() -> None:
    after = NOTHING.given(LISTED, RETIRED, ProductRepriced(sku="MUG", price=PRICE), DESCRIBED, RETIRED)
    assert after.state == product.Retired("MUG", Listed("MUG", "Mug", "Blue", PRICE, 3, 3))
    assert after.given(RELISTED).state == NOTHING.given(LISTED).state
    assert NOTHING.given(LISTED, RELISTED).state == NOTHING.given(LISTED).state


def test_a_listed_product_is_described_anew() -> None:
    to_decide = command(Describe("MUG", " Cup ", "Red\r\nand round", "cups"))
    NOTHING.given(LISTED).when(to_decide).then(DESCRIBED)
    after = NOTHING.given(LISTED, DESCRIBED)
    assert after.state == Listed("MUG", "Cup", "Red\nand round", PRICE, 3, 3)


def test_stock_is_adjusted() -> None:
    less = (Allocation(bucket=2, quantity=4),)
    down = command(AdjustStock("MUG", -4, " Broken ", 0, less))
    NOTHING.given(LISTED).when(down).then(adjusted(-4, "Broken", (2, 4)))
    up = command(AdjustStock("MUG", 4, "Found", first_bucket=4))
    NOTHING.given(LISTED).when(up).then(adjusted(4, "Found", (0, 1), (1, 2), (2, 1)))


def test_only_a_retired_product_is_relisted() -> None:
    relist = command(Relist("MUG"))
    NOTHING.given(LISTED, RETIRED).when(relist).then(RELISTED)
    NOTHING.given(LISTED).when(relist).then_rejected(errors.ProductNotRetiredError, sku="MUG")
    NOTHING.when(relist).then_rejected(errors.ProductNotFoundError, sku="MUG")
