"""A command raises one of these errors when it can't go on; its message is printed without a traceback."""


class ShopError(Exception):
    """Ends the command with a message and an exit code. The message says what to do, not only what went wrong."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class NotRunningError(ShopError):
    def __init__(self, message: str = "The shop is not running: start it with ./shop up") -> None:
        super().__init__(message, exit_code=3)
