"""The user pool's administrators: `command` lists, adds and removes them, `user_pool` signs in as its clients do, by
the arithmetic in `srp`, and `totp` makes an authenticator's codes."""
