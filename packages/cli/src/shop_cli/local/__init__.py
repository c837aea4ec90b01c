"""The local run: everything that `./shop up` starts on this machine, and the commands that only it has."""
