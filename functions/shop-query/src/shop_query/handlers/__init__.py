"""Lambda calls these modules, one for each function in serverless.yml."""
