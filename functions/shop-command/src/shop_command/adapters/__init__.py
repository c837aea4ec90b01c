"""These classes implement the ports: DynamoDB, Kinesis, the payment provider, the system. Every call over the network
is a subsegment of the trace, has a named bound on its time, and on how often it is tried."""
