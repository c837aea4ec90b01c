"""These commands look at a shop and mend it, be it on this machine or a stage on AWS."""
