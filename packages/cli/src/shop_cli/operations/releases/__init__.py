"""Releases a function, takes it back, and lists what it can go back to."""
