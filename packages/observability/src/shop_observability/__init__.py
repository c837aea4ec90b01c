"""Every function writes its logs, metrics and traces with this package."""
