"""The shop command: the local run and the operations. Never deployed."""
