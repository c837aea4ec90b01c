"""The contract between the functions: the event envelope, the event types and their registry."""
