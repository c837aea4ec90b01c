"""Makes passwords for people whom a command makes."""

import secrets


def new_password() -> str:
    # The suffix has one character of each kind that a user pool's policy can ask for.
    return f"{secrets.token_urlsafe(18)}-Aa1"
