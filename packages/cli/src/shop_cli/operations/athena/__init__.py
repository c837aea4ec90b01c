"""The named queries over the archive: `queries` has what each one takes, and `run` asks it for a bounded time."""
