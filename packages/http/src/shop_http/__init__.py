"""The functions behind the HTTP API share their entry, the reading of a request, and problems."""
