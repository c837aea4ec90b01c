"""The use cases: what each command reads, decides, records and answers. They answer with the event that the command
led to, so that a repeat can be given the same answer for ever."""
