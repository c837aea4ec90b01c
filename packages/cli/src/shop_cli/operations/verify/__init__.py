"""`shop verify`: an independent audit of a running shop. With the functions it shares the events' schemas, no more.

- `findings`: the checks by name, and a difference
- `facts`: what was read, on disk, so that memory does not grow with the shop
- `streams`, `reservations`, `products`: what a stream's events amount to, by rules written from the invariants
- `stock`, `payments`, `rows`: comparisons of that with what the other systems hold
- `sources`: reads a shop's systems, here or on AWS; `audit`: one look; `run`: looks again; `output`: tells
"""
