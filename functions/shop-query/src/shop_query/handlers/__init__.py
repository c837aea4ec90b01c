"""Lambda calls these modules, one for each function in serverless.yml."""

from shop_observability import collector

collector.pause()
