"""Queries: answers the reads from Aurora PostgreSQL. Never writes."""
