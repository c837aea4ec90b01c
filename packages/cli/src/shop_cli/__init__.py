"""The `shop` command runs the shop on this machine and operates it here or on AWS. It is never deployed."""
