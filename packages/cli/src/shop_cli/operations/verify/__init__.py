"""`shop verify` audits a running shop on its own: with the functions it shares the events' schemas, no more.

- `findings` has the checks by name, and what a difference is.
- `facts` keeps what was read on disk, so that memory does not grow with the shop.
- `streams`, `reservations` and `products` fold a stream's events, by rules written from the invariants.
- `stock` and `payments` compare the folds with what the other systems hold.
- `sources` reads a shop's systems, `audit` is one look at them, and `command` looks again.
"""
