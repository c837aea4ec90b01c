"""Archives batches from Kinesis. After an error the batch comes again; the archive's views count each event once."""

from collections.abc import Sequence
from typing import Any

from shop_dispatch import bootstrap
from shop_dispatch.application.archive import Archived
from shop_dispatch.handlers.kinesis import consume, counts
from shop_observability.metrics import Metric, count


def handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    return counts(consume("archive", "archived", event, _archive))


def _archive(payloads: Sequence[bytes]) -> Archived:
    archived = bootstrap.archive()(payloads)
    count(Metric.EVENTS_ARCHIVED, archived.archived)
    count(Metric.EVENTS_TOO_LARGE, archived.too_large)
    return archived
