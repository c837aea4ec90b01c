"""Why a query gets no answer: NotFoundError, NotYetVisibleError, InvalidParameterError. That the read model is away is
in `ports`."""


class NotFoundError(Exception):
    """There is no such thing, or it is not the caller's: the answer never tells the two apart."""

    def __init__(self, kind: str, identifier: str, *, is_anothers: bool = False) -> None:
        super().__init__(f"no {kind} {identifier!r:.60}")
        self.kind = kind
        self.identifier = identifier
        self.is_anothers = is_anothers


class NotYetVisibleError(Exception):
    """The read model has not reached the version that was asked for; it may a little later, or never."""

    def __init__(self, kind: str, identifier: str, min_version: int, *, is_anothers: bool = False) -> None:
        super().__init__(f"{kind} {identifier!r:.60} below version {min_version}")
        self.kind = kind
        self.min_version = min_version
        self.is_anothers = is_anothers


class InvalidParameterError(Exception):
    """`detail` says what is allowed, for the person who wrote the client."""

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}")
        self.parameter = parameter
        self.detail = detail
