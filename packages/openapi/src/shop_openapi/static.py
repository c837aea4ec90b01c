"""These operations document the API itself."""

from typing import Final

from pydantic import BaseModel, ConfigDict

from shop_openapi.declarations import CONTENT_SECURITY_POLICY, AnswerShape, Operation

DOCUMENTATION: Final = "Documentation"


class OpenApiDocument(BaseModel):
    """The document follows OpenAPI 3.1. https://spec.openapis.org/oas/v3.1.1.html"""

    model_config = ConfigDict(extra="allow")
    openapi: str


def document_operation(name: str, summary: str) -> Operation:
    return Operation(
        f"get{name}OpenApi",
        DOCUMENTATION,
        summary,
        "As the function that answers was built; it changes with that function's releases.",
        answers=(AnswerShape(200, "An OpenAPI 3.1 document.", OpenApiDocument, {"openapi": "3.1.1"}),),
    )


PAGE: Final = Operation(
    "getDocs",
    DOCUMENTATION,
    "This document, to be read",
    "One page that loads nothing from anywhere else.",
    answers=(AnswerShape(200, "A page.", "text/html", "<!doctype html>…", CONTENT_SECURITY_POLICY),),
)
