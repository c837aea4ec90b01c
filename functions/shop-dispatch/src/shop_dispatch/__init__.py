"""Dispatch: carries events from the stream to Aurora PostgreSQL and to the archive."""
