"""The functions agree on the event envelope, the event types and their registry, which this package defines.

It depends on pydantic alone (`canonical` on msgspec, too), does no input or output, and reads no environment.
`CHANGELOG.md` beside it says what each version changed; `schemas/` holds the JSON Schemas made from it and `golden/`
one event of every version ever shipped.
Nothing is imported here, so that a function that needs only the forms of ids starts without pydantic.
"""
