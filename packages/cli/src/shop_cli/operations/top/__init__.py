"""`shop top`: what the shop does, as it does it.

`lines` reads a line of a log, `window` folds the lines of the last minute, `sample` is what is known at a moment,
`view` draws it with `figures` and `words`: all pure. `sources` reads AWS, `loop` does it again and again, `keys` hears
what is typed.
"""
