"""The document for people: docs/problems.md, and the page of `GET /docs`, which loads nothing from anywhere."""

import json
import re
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from shop_openapi.catalogue import CATALOGUE
from shop_openapi.problems import Problem
from shop_openapi.schemas import Schema

_TEMPLATES: Final = Environment(
    loader=PackageLoader("shop_openapi"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)
_HEAD: Final = """\
# Problems

Made by `make openapi` from `packages/openapi`; do not edit. Every answer that is no success is one of these
([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)); its `type` ends in the name that is a heading here. The only
exception is the gateway's own 401 ([why](adr/0005-gateway-401.md)).

| status | name | the same request again, with the same Idempotency-Key |
|---|---|---|
"""


def problems_page() -> str:
    found = sorted(CATALOGUE.values(), key=lambda it: (it.sample.status, it.slug))
    rows = "".join(f"| {it.sample.status} | [{it.slug}](#{it.slug}) | {it.retry} |\n" for it in found)
    return _HEAD + rows + "".join(_section(it) for it in found)


def _section(problem: Problem) -> str:
    sample = problem.sample
    example = json.dumps(problem.example(), indent=2, ensure_ascii=False)
    return f"""
## {problem.slug}

{sample.status} {sample.title}. {problem.means}

- **When:** {problem.when}
- **What to do:** {sample.detail}
- **The same request again:** {problem.retry}

```json
{example}
```
"""


def html(document: Schema) -> str:
    _TEMPLATES.filters.update(prose=_prose, pretty=_pretty, kind=_kind, limits=_limits, anchor=_anchor)
    schemas = document["components"]["schemas"]
    shown = {name: it for name, it in schemas.items() if "properties" in it and not name.endswith("Problem")}
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return _TEMPLATES.get_template("page.html.j2").render(
        document=document,
        tags=[(tag, [it for it in operations if it[2]["tags"] == [tag["name"]]]) for tag in document["tags"]],
        parameters=document["components"]["parameters"],
        schemas=shown,
        problems=[it for _, it in sorted(CATALOGUE.items())],
    )


def _prose(text: str) -> Markup:
    """Renders the little Markdown that descriptions have: paragraphs, bold and code."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    marked = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", marked)
    return Markup("</p><p>".join(marked.strip().split("\n\n")))  # noqa: S704 - escaped above


def _pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _kind(schema: Schema) -> Markup:
    """Describes a schema's type in a few words, and links what has a name."""
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rsplit("/", 1)[-1]
            return Markup('<a href="#schema-{0}">{0}</a>').format(name)
        case {"anyOf": [*alternatives]} | {"oneOf": [*alternatives]}:
            return Markup(" or ").join(map(_kind, alternatives))
        case {"type": "array", "items": dict(items)}:
            return Markup("list of ") + _kind(items)
        case {"const": value}:
            return Markup("<code>{}</code>").format(_pretty(value))
        case {"enum": [*values]}:
            return Markup(" or ").join(Markup("<code>{}</code>").format(value) for value in values)
        case {"format": str(name)}:
            return escape(name)
        case _:
            return escape(schema.get("type", "anything"))


def _limits(schema: Schema) -> str:
    words = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "minLength": "at least {} character(s)",
        "maxLength": "at most {} characters",
        "minItems": "at least {} item(s)",
        "maxItems": "at most {} items",
        "pattern": "like {}",
        "default": "by default {}",
    }
    return ", ".join(form.format(_number(schema[name])) for name, form in words.items() if name in schema)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _pretty(value)


def _anchor(route: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", route.lower()).strip("-")
