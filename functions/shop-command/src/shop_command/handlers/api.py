"""The routes of shop-command, and the document that describes them."""

from pathlib import Path
from typing import Annotated, Final

from shop_command import bootstrap
from shop_command.handlers import products, purchases, reservations
from shop_command.handlers.function import DOCUMENT, function
from shop_http.answers import File
from shop_http.route import HttpRequest

handler: Final = function
_GENERATED: Final = Path(__file__).parent / "generated"


@function.route(DOCUMENT, tag="Documentation", query=None, compress=True)
def get_command_open_api(_: HttpRequest) -> Annotated[File, "OpenApiDocument"]:
    """Gets shop-command's part of this document.

    It is as the function that answers was built, and changes with that function's releases.
    """
    return File(_GENERATED / "openapi.json")


bootstrap.initialize([reservations.ReservationBody, purchases.PurchaseBody, products.StockBody])
