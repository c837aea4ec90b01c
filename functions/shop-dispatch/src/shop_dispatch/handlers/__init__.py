from shop_observability import collector

collector.pause()
