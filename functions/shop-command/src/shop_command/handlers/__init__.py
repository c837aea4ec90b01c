"""Lambda calls the functions of this package. HTTP stays here: nothing below knows of routes, statuses or bodies."""

from shop_observability import collector

collector.pause()
