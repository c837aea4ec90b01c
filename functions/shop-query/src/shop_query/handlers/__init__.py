"""Lambda's way in. One module for each function in serverless.yml."""
