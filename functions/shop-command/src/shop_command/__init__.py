"""Commands: decides, stores state and events, takes payment, publishes."""
