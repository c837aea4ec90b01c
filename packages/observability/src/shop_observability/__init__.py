"""What every function says of itself: logs, metrics, traces, and problems as RFC 9457."""
