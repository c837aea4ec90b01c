"""`shop deploy`: takes a stage on AWS from nothing to a working shop. `command` has the steps, in order, each of which
can be done again: `account` looks before, `provider_keys` stores, `stacks` deploys, and `database` makes the roles."""
