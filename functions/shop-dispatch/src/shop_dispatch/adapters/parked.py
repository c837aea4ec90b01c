"""Records that could not be applied are kept in PostgreSQL."""

from collections.abc import Mapping, Sequence

from shop_database import Reconnecting
from shop_dispatch.adapters import statements
from shop_dispatch.ports import ParkedRecord, Place


class PostgresParkedRecords:
    def __init__(self, connection: Reconnecting) -> None:
        self._connection = connection

    def read(self, parked_ids: Sequence[str] | None, *, after: Place, limit: int) -> list[ParkedRecord]:
        stream, version, parked_id = after
        ids = list(parked_ids) if parked_ids is not None else None
        values = {"parked_ids": ids, "stream": stream, "version": version, "id": parked_id, "limit": limit}
        return self._connection.run(
            lambda connection: [ParkedRecord(*row) for row in connection.execute(statements.PARKED, values)]
        )

    def resolve(self, keys: Mapping[str, tuple[str, int]]) -> list[str]:
        columns = [list(keys), [stream_id for stream_id, _ in keys.values()], [version for _, version in keys.values()]]
        return self._connection.run(
            lambda connection: [parked_id for (parked_id,) in connection.execute(statements.RESOLVE, columns)]
        )

    def drop(self, parked_id: str, reason: str) -> bool:
        return self._connection.run(
            lambda connection: connection.execute(statements.DROP, [reason, parked_id]).rowcount == 1
        )
