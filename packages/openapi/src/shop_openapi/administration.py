"""These operations are an administrator's commands on products."""

from typing import Final

from shop_command.handlers import bodies
from shop_openapi import models
from shop_openapi.declarations import LOCATION, AnswerShape, BodyShape, Operation, Operations, Who
from shop_openapi.parameters import SKU_IN_PATH

CATALOGUE: Final = "Catalogue administration"
PRICE: Final = {"amount_minor": 1250, "currency": "EUR"}
MUG: Final = {
    "sku": "MUG-BLUE",
    "name": "Blue mug",
    "description": "Holds 300 ml.",
    "category": "mugs",
    "price": PRICE,
    "stock_buckets": 8,
}


def _in_stream_of_product(version: int) -> dict[str, object]:
    return {"stream_id": "product-MUG-BLUE", "stream_version": version}


ADMINISTERING: Final[Operations] = {
    "POST /products": Operation(
        "listProduct",
        CATALOGUE,
        "Offer a new product",
        "It has no stock yet. More `stock_buckets` let more customers reserve it at the same moment.",
        who=Who.ADMINISTRATOR,
        keyed=True,
        body=BodyShape(bodies.ProductBody, MUG),
        answers=(
            AnswerShape(
                201,
                "It is listed.",
                models.ListedProduct,
                {**MUG, "category": None, **_in_stream_of_product(1)},
                LOCATION,
            ),
        ),
        problems=("product-exists", "try-again"),
    ),
    "POST /products/{sku}/price": Operation(
        "repriceProduct",
        CATALOGUE,
        "Change a product's price",
        "What is reserved keeps the price that it was reserved at.",
        who=Who.ADMINISTRATOR,
        keyed=True,
        parameters=(SKU_IN_PATH,),
        body=BodyShape(bodies.RepriceBody, {"price": PRICE}),
        answers=(
            AnswerShape(
                201,
                "From now on it costs this.",
                models.RepricedProduct,
                {"sku": "MUG-BLUE", "price": PRICE, **_in_stream_of_product(2)},
                LOCATION,
            ),
        ),
        problems=("not-found", "product-retired", "try-again"),
    ),
    "POST /products/{sku}/stock": Operation(
        "receiveStock",
        CATALOGUE,
        "Add stock",
        "It is spread evenly over the product's buckets and can be reserved at once.",
        who=Who.ADMINISTRATOR,
        keyed=True,
        parameters=(SKU_IN_PATH,),
        body=BodyShape(bodies.StockBody, {"quantity": 100}),
        answers=(
            AnswerShape(
                201,
                "It can be reserved.",
                models.ReceivedStock,
                {"sku": "MUG-BLUE", "quantity": 100, **_in_stream_of_product(3)},
                LOCATION,
            ),
        ),
        problems=("not-found", "product-retired", "try-again"),
    ),
    "POST /products/{sku}/buckets": Operation(
        "redistributeStock",
        CATALOGUE,
        "Change how many customers can reserve a product at the same moment",
        "Available stock moves; what is held or sold stays where it was taken from. Nobody waits for it.",
        who=Who.ADMINISTRATOR,
        keyed=True,
        parameters=(SKU_IN_PATH,),
        body=BodyShape(bodies.BucketsBody, {"stock_buckets": 16}),
        answers=(
            AnswerShape(
                201,
                "The stock is spread.",
                models.RedistributedStock,
                {"sku": "MUG-BLUE", "stock_buckets": 16, "moved": 50, **_in_stream_of_product(4)},
                LOCATION,
            ),
        ),
        problems=("not-found", "product-retired", "try-again"),
    ),
    "DELETE /products/{sku}": Operation(
        "retireProduct",
        CATALOGUE,
        "Stop selling a product",
        "For good: its SKU is never used again. What is reserved can still be paid for.",
        who=Who.ADMINISTRATOR,
        keyed=True,
        parameters=(SKU_IN_PATH,),
        answers=(
            AnswerShape(
                200,
                "Nobody can reserve it any more.",
                models.RetiredProduct,
                {"sku": "MUG-BLUE", "status": "retired", **_in_stream_of_product(5)},
                LOCATION,
            ),
        ),
        problems=("not-found", "product-retired", "try-again"),
    ),
}
