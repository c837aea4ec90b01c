"""Where Lambda comes in. HTTP stays here: nothing below knows of routes, statuses or bodies."""
