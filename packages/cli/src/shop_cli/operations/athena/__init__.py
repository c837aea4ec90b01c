"""`shop athena`: the named queries over the archive, here or on AWS.

- `queries`: what there is to ask, and what each question takes
- `run`: asks it, for so long and no longer
- `output`: a table, CSV or JSON
"""
