"""Why a query gets no answer: NotFoundError, NotYetVisibleError, InvalidParameterError. That the read model is away is
in `ports`."""


class NotFoundError(Exception):
    """There is no such thing, or it is not the caller's: the answer never tells the two apart."""

    def __init__(self, kind: str, *, is_anothers: bool = False) -> None:
        self.kind = kind
        self.is_anothers = is_anothers


class NotYetVisibleError(Exception):
    """The read model has not reached the version that was asked for; it may a little later, or never."""

    def __init__(self, kind: str, min_version: int, *, is_anothers: bool = False) -> None:
        self.kind = kind
        self.min_version = min_version
        self.is_anothers = is_anothers


class InvalidParameterError(Exception):
    """`detail` says what is allowed, for the person who wrote the client."""

    def __init__(self, parameter: str, detail: str) -> None:
        self.parameter = parameter
        self.detail = detail
