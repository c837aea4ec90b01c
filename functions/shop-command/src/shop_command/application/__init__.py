"""A use case answers a command with the event that it led to, so that a repeat gets the same answer for ever."""
