"""The local stand-in for the X-Ray daemon and service, and how a trace is read and drawn (the same on AWS)."""
