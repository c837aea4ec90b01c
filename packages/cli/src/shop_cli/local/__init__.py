"""These modules start, watch and stop the shop on this machine, and have the commands that work only there."""
