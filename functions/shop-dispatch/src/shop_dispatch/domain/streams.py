"""An event may be applied only when it follows its stream's head without a gap."""

from collections.abc import Iterable, Mapping

from shop_dispatch.domain.records import Event


def contiguous_runs(heads: Mapping[str, int], events: Iterable[Event]) -> list[Event]:
    """Returns each stream's events after its head, in order, up to the first gap. Streams keep the order of `heads`."""
    by_key = {event.key: event for event in events}
    runs: list[Event] = []
    for stream_id, head in heads.items():
        version = head + 1
        while event := by_key.get((stream_id, version)):
            runs.append(event)
            version += 1
    return runs
