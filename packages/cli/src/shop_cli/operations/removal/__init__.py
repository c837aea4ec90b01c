"""Removes a stage from AWS: `stacks` reads and deletes its stacks, `leftovers` what they leave behind."""
