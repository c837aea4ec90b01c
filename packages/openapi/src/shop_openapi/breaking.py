"""Finds what a new document takes away from clients that keep to a released one.

Taken away are routes, parameters, fields and values that requests may have; what was promised of an answer; and the
freedom to leave something out. New routes, optional parameters, fields in answers, problems, and new values of an
answer's enumerations are no breaking change: the document asks clients to pass over what they do not know.
"""

from collections.abc import Iterator
from typing import Any, Final

Schema = dict[str, Any]
_METHODS: Final = ("get", "put", "post", "delete", "patch")
_LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_FORMS: Final = ("pattern", "format", "const")
WIDENED: Final = {
    r"^[A-Z0-9][A-Z0-9-]{0,39}$": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$",
    r"^(product|reservation)-[A-Za-z0-9-]{1,60}$": r"^(product|reservation)-[A-Za-z0-9._-]{1,60}$",
}
"""Released patterns of ids have become these wider ones: all that matched the first matches the second. No program can
tell that of any two patterns, so they are listed, and a test tries them."""


def breaking_changes(released: Schema, current: Schema) -> list[str]:
    return sorted(set(_Comparison(released, current).routes()))


def is_allowed(released: Schema, current: Schema) -> bool:
    """The version says so: its major number is higher."""
    majors = [int(document["info"]["version"].split(".")[0]) for document in (released, current)]
    return majors[1] > majors[0]


class _Comparison:
    def __init__(self, released: Schema, current: Schema) -> None:
        self._released = released
        self._current = current

    def routes(self) -> Iterator[str]:
        for path, methods in self._released["paths"].items():
            for method in _METHODS:
                if method not in methods:
                    continue
                name = f"{method.upper()} {path}"
                new = self._current["paths"].get(path, {}).get(method)
                if new is None:
                    yield f"{name}: removed"
                else:
                    yield from self._operation(name, methods[method], new)

    def _operation(self, name: str, old: Schema, new: Schema) -> Iterator[str]:
        if new.get("security") and not old.get("security"):
            yield f"{name}: needs a token"
        yield from self._parameters(name, old, new)
        yield from self._request_body(name, old.get("requestBody"), new.get("requestBody"))
        for status, answer in old["responses"].items():
            if not status.startswith(("2", "3")):
                continue
            if status not in new["responses"]:
                yield f"{name}: is never answered with {status} any more"
            else:
                yield from self._answer(f"{name} {status}", answer, new["responses"][status])

    def _parameters(self, name: str, old: Schema, new: Schema) -> Iterator[str]:
        before = {(it["in"], it["name"]): it for it in map(self._old, old.get("parameters", []))}
        after = {(it["in"], it["name"]): it for it in map(self._new, new.get("parameters", []))}
        for key, parameter in after.items():
            was = before.get(key)
            if parameter.get("required") and not (was or {}).get("required"):
                yield f"{name}: {key[0]} parameter {key[1]} is required"
            if was is not None:
                where = f"{name}: {key[0]} parameter {key[1]}"
                yield from self._narrowed(where, was["schema"], parameter["schema"])
        for place, parameter_name in before.keys() - after.keys():
            yield f"{name}: {place} parameter {parameter_name} removed"

    def _request_body(self, name: str, old: Schema | None, new: Schema | None) -> Iterator[str]:
        if new is None:
            return
        if old is None:
            if new.get("required"):
                yield f"{name}: a body is required"
            return
        for media_type, content in old["content"].items():
            if media_type not in new["content"]:
                yield f"{name}: takes no {media_type} any more"
            else:
                yield from self._narrowed(f"{name}: body", content["schema"], new["content"][media_type]["schema"])

    def _answer(self, name: str, old: Schema, new: Schema) -> Iterator[str]:
        for header, described in old.get("headers", {}).items():
            now = self._new(new.get("headers", {}).get(header, {}))
            if self._old(described).get("required") and not now.get("required"):
                yield f"{name}: header {header} is not always there any more"
        for media_type, content in old.get("content", {}).items():
            if media_type not in new.get("content", {}):
                yield f"{name}: has no {media_type} any more"
            else:
                yield from self._widened(f"{name}: answer", content["schema"], new["content"][media_type]["schema"])

    def _narrowed(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """What a request might have, and may not have now."""
        old, new = self._old(old), self._new(new)
        if new.get("type") is not None and not _types(old) <= _types(new):
            yield f"{where}: its type changed"
        if "enum" in new and not set(old.get("enum", [None])) <= set(new["enum"]):
            yield f"{where}: takes fewer values"
        for bound in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
            if bound in new and _is_tighter(bound, old.get(bound), new[bound]):
                yield f"{where}: {bound} is tighter"
        for form in _FORMS:
            if form in new and new[form] not in (old.get(form), WIDENED.get(old.get(form, ""))):
                yield f"{where}: {form} changed"
        for field in sorted(set(new.get("required", [])) - set(old.get("required", []))):
            yield f"{where}: field {field} is required"
        for field, schema in old.get("properties", {}).items():
            if field in new.get("properties", {}):
                yield from self._narrowed(f"{where}.{field}", schema, new["properties"][field])
            elif new.get("additionalProperties") is False:
                yield f"{where}: field {field} removed"
        if "items" in old and "items" in new:
            yield from self._narrowed(f"{where}[]", old["items"], new["items"])

    def _widened(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        """What an answer had, and may not have now."""
        old, new = self._old(old), self._new(new)
        if not _types(new) <= _types(old):
            yield f"{where}: its type changed"
        for form in _FORMS:
            # The only value may become one of several, which is like a new value of an enumeration.
            if (
                form in old
                and new.get(form) not in (old[form], WIDENED.get(old[form], old[form]))
                and not (form == "const" and old[form] in new.get("enum", ()))
            ):
                yield f"{where}: {form} changed"
        for field, schema in old.get("properties", {}).items():
            if field not in new.get("properties", {}):
                yield f"{where}: field {field} removed"
                continue
            if field in old.get("required", []) and field not in new.get("required", []):
                yield f"{where}: field {field} is not always there any more"
            yield from self._widened(f"{where}.{field}", schema, new["properties"][field])
        if "items" in old and "items" in new:
            yield from self._widened(f"{where}[]", old["items"], new["items"])

    def _old(self, schema: Schema) -> Schema:
        return _resolved(self._released, schema)

    def _new(self, schema: Schema) -> Schema:
        return _resolved(self._current, schema)


def _resolved(document: Schema, schema: Schema) -> Schema:
    """Replaces a reference by what it names, and the alternative `null` by one more type."""
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    alternatives = [_resolved(document, it) for it in schema.get("anyOf", [])]
    if not alternatives:
        return schema
    types = sorted(set().union(*map(_types, alternatives)))
    [first] = [it for it in alternatives if _types(it) != {"null"}] or alternatives[:1]
    return {**first, "type": types}


def _types(schema: Schema) -> set[str]:
    found = schema.get("type", [])
    return {found} if isinstance(found, str) else set(found)


def _is_tighter(bound: str, old: float | None, new: float) -> bool:
    if old is None:
        return True
    return new > old if bound in _LOWER_BOUNDS else new < old
