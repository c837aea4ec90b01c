"""How the functions reach PostgreSQL: by URL, or on Aurora with IAM authentication."""
