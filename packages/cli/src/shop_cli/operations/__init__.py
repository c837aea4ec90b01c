"""The commands that look at a shop and mend it: the one on this machine, or a stage on AWS."""
