"""The archive has named queries: `queries` knows what each one takes, and `run` asks it for a bounded time."""
