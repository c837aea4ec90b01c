"""Metrics in CloudWatch's embedded metric format: a line in the log, and no call.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.metrics import MetricUnit as Unit

__all__ = ["Unit", "emit"]


def emit(**values: tuple[Unit, float]) -> None:
    """One line with all of them. Namespace and the dimension `service` come from POWERTOOLS_METRICS_NAMESPACE and
    POWERTOOLS_SERVICE_NAME."""
    metrics = EphemeralMetrics()  # its own: what one line could not say is in no other
    for name, (unit, value) in values.items():
        metrics.add_metric(name, unit, value)
    metrics.flush_metrics()
