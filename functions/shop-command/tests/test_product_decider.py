from collections.abc import Callable

from shop_command.domain import errors, product
from shop_command.domain.product import Listed, ListProduct, Product, ProductEvent, ReceiveStock
from shop_command.testing.deciders import Given
from shop_shared.events import ProductListed, ProductRepriced, ProductRetired, StockReceived
from shop_shared.values import Allocation, Price

PRICE = Price(amount_minor=500, currency="EUR")
LISTED = ProductListed(sku="MUG", name="Mug", description="Blue", price=PRICE, stock_buckets=3)
RETIRED = ProductRetired(sku="MUG")
NOTHING: Given[Product, ProductEvent] = Given(None, product.evolve)


def received(quantity: int, *allocations: tuple[int, int]) -> StockReceived:
    made = tuple(Allocation(bucket=bucket, quantity=amount) for bucket, amount in allocations)
    return StockReceived(sku="MUG", quantity=quantity, allocations=made)


def command(to_decide: ListProduct | ReceiveStock) -> Callable[[Product | None], tuple[ProductEvent, ...]]:
    return lambda state: product.decide(to_decide, state)


LIST = command(ListProduct("MUG", "Mug", "Blue", PRICE, 3))


def receive(quantity: int, first_bucket: int = 0) -> Callable[[Product | None], tuple[ProductEvent, ...]]:
    return command(ReceiveStock("MUG", quantity, first_bucket))


def test_a_new_product_is_listed() -> None:
    NOTHING.when(LIST).then(LISTED)


def test_a_listed_product_is_not_listed_again() -> None:
    NOTHING.given(LISTED).when(LIST).then_rejected(errors.ProductAlreadyListedError, sku="MUG")


def test_a_retired_product_is_not_listed_again() -> None:
    NOTHING.given(LISTED, RETIRED).when(LIST).then_rejected(errors.ProductAlreadyListedError, sku="MUG")


def test_stock_is_spread_over_the_buckets() -> None:
    NOTHING.given(LISTED).when(receive(10)).then(received(10, (0, 4), (1, 3), (2, 3)))


def test_the_remainder_goes_to_the_chosen_bucket_and_those_after_it() -> None:
    NOTHING.given(LISTED).when(receive(2, first_bucket=5)).then(received(2, (0, 1), (2, 1)))


def test_stock_of_a_product_that_was_never_listed_is_refused() -> None:
    NOTHING.when(receive(1)).then_rejected(errors.ProductNotFoundError, sku="MUG")


def test_stock_of_a_retired_product_is_refused() -> None:
    NOTHING.given(LISTED, RETIRED).when(receive(1)).then_rejected(errors.ProductRetiredError, sku="MUG")


def test_a_repriced_product_has_the_new_price_and_its_stock_is_unaffected() -> None:
    new = Price(amount_minor=700, currency="EUR")
    after = NOTHING.given(LISTED, received(1, (0, 1)), ProductRepriced(sku="MUG", price=new))
    assert after.state == Listed("MUG", "Mug", "Blue", new, 3)


def test_a_retired_product_stays_retired_whatever_follows() -> None:
    after = NOTHING.given(LISTED, RETIRED, ProductRepriced(sku="MUG", price=PRICE))
    assert after.state == product.Retired("MUG")
