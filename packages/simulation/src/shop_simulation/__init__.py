"""Enumerates how the shop can fail, and judges what comes of it. docs/adr/0007-simulation.md says why it is made so.

seam         every call of every port, and what a scheduler makes of it
faults       what can happen to each call
world        stores, stream, provider, read model, archive and clock: all that outlives a process
steps        what a client, the provider, the sweep or a delivery does
provider     the payment provider's side: its states, keys, webhooks, refunds, and its ledger
store        the event store, with what DynamoDB forgets, shows late, or can't give at all
oracle       what must hold (`safety` always, `liveness` in the end), from the `facts` of what was asked for and paid,
             not from the shop's own events
explorer     every history of a workflow with so many faults
seeded       long random histories that a seed replays
bugs         deliberate bugs, each of which must be found: `mistakes` put in place by `planting`
"""
