"""The read model is written by this SQL. Rows come as one array for each column, so a batch of any size is one
statement.

`{schema}` has the tables, so a rebuild runs the same statements on tables that nobody reads yet. No search_path is
needed, which a pooler would lose.
"""

from functools import cache
from typing import Final, LiteralString

from psycopg import sql

# Each connection begins with this. A kept plan that was made for an empty table would read a full one from end to end:
# at 100,000 events a batch then took four times as long. So each statement finds its rows by their keys, whatever the
# planner's statistics are. No statement is long enough to be worth compiling.
SESSION: Final = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}

# New heads are added and known ones locked in one order, so that no two batches wait for each other in a circle. What
# is locked in this way is not changed: https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT
LOCK_HEADS: Final = """
INSERT INTO {schema}.stream_head AS head (stream_id, stream_version)
SELECT * FROM unnest(%s::text[], %s::integer[]) AS batch (stream_id, stream_version) ORDER BY stream_id COLLATE "C"
ON CONFLICT (stream_id) DO UPDATE SET stream_version = head.stream_version WHERE false
RETURNING stream_id
"""
# It is a statement of its own, so that it sees what the transaction that it waited for has committed.
KNOWN: Final = """
SELECT head.stream_id, head.stream_version, log.stream_version, log.event
FROM {schema}.stream_head AS head
LEFT JOIN {schema}.event_log AS log ON log.stream_id = head.stream_id AND log.stream_version > head.stream_version
WHERE head.stream_id = ANY (%s::text[])
"""
ADVANCE_HEADS: Final = """
UPDATE {schema}.stream_head SET stream_version = batch.stream_version
FROM unnest(%s::text[], %s::integer[]) AS batch (stream_id, stream_version)
WHERE stream_head.stream_id = batch.stream_id
"""
LOGGED_IDS: Final = """
SELECT log.stream_id, log.stream_version, log.event_id::text
FROM unnest(%s::text[], %s::integer[]) AS known (stream_id, stream_version)
JOIN {schema}.event_log AS log ON log.stream_id = known.stream_id AND log.stream_version = known.stream_version
"""
# Arrays of long texts are slow to quote: COPY is twice as fast at 1,000 events.
LOG: Final = """
COPY {schema}.event_log (stream_id, stream_version, event_id, type, time, event) FROM STDIN (FORMAT binary)
"""

WITHDRAW: Final = "DELETE FROM {schema}.event_log WHERE stream_id = %s AND stream_version = %s"

PARK: Final = """
INSERT INTO {schema}.parked (parked_id, payload, cause, stream_id, stream_version)
SELECT * FROM unnest(%s::text[], %s::bytea[], %s::text[], %s::text[], %s::integer[])
ON CONFLICT (parked_id) DO UPDATE SET cause = excluded.cause WHERE parked.cause <> excluded.cause
"""

# Each table has its statement. A stream's own row is replaced where the change has a value; a shared row is added to.
CHANGE: Final = {
    "product": """
MERGE INTO {schema}.product AS p
USING unnest(%s::text[], %s::integer[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[],
             %s::timestamptz[], %s::text[], %s::jsonb[])
    AS change (sku, version, name, description, price_minor, currency, status, listed_at, category, images)
ON p.sku = change.sku
WHEN MATCHED THEN UPDATE SET
    version = change.version,
    name = coalesce(change.name, p.name),
    description = coalesce(change.description, p.description),
    price_minor = coalesce(change.price_minor, p.price_minor),
    currency = coalesce(change.currency, p.currency),
    status = coalesce(change.status, p.status),
    listed_at = coalesce(change.listed_at, p.listed_at),
    category = nullif(coalesce(change.category, p.category), ''), -- no category any more
    images = coalesce(change.images, p.images)
WHEN NOT MATCHED THEN
    INSERT (sku, version, name, description, price_minor, currency, status, listed_at, category, images)
    VALUES (sku, version, name, description, price_minor, currency, status, listed_at, nullif(category, ''), images)
""",
    "reservation": """
MERGE INTO {schema}.reservation AS r
USING unnest(%s::text[], %s::integer[], %s::text[], %s::text[], %s::jsonb[], %s::bigint[], %s::text[],
             %s::timestamptz[], %s::timestamptz[], %s::text[], %s::timestamptz[])
    AS change (reservation_id, version, status, customer_id, lines, total_minor, currency, placed_at, expires_at,
               payment_intent_id, purchased_at)
ON r.reservation_id = change.reservation_id
WHEN MATCHED THEN UPDATE SET
    version = change.version,
    status = coalesce(change.status, r.status),
    payment_intent_id = coalesce(change.payment_intent_id, r.payment_intent_id),
    purchased_at = coalesce(change.purchased_at, r.purchased_at)
WHEN NOT MATCHED THEN
    INSERT (reservation_id, version, status, customer_id, lines, total_minor, currency, placed_at, expires_at,
            payment_intent_id, purchased_at)
    VALUES (reservation_id, version, status, customer_id, lines, total_minor, currency, placed_at, expires_at,
            payment_intent_id, purchased_at)
""",
    "refund": """
MERGE INTO {schema}.refund AS r
USING unnest(%s::text[], %s::integer[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[],
             %s::timestamptz[], %s::timestamptz[])
    AS change (reservation_id, refund, refund_id, amount_minor, currency, reason, origin, refunded_at, failed_at)
ON r.reservation_id = change.reservation_id AND r.refund = change.refund
WHEN MATCHED THEN UPDATE SET
    failed_at = coalesce(change.failed_at, r.failed_at)
WHEN NOT MATCHED THEN
    INSERT (reservation_id, refund, refund_id, amount_minor, currency, reason, origin, refunded_at, failed_at)
    VALUES (reservation_id, refund, refund_id, amount_minor, currency, reason, origin, refunded_at, failed_at)
""",
    "dispute": """
MERGE INTO {schema}.dispute AS d
USING unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[],
             %s::timestamptz[])
    AS change (reservation_id, dispute_id, status, amount_minor, currency, reason, opened_at, closed_at)
ON d.reservation_id = change.reservation_id AND d.dispute_id = change.dispute_id
WHEN MATCHED THEN UPDATE SET
    status = change.status,
    amount_minor = change.amount_minor,
    reason = coalesce(change.reason, d.reason),
    opened_at = coalesce(change.opened_at, d.opened_at),
    closed_at = coalesce(change.closed_at, d.closed_at)
WHEN NOT MATCHED THEN
    INSERT (reservation_id, dispute_id, status, amount_minor, currency, reason, opened_at, closed_at)
    VALUES (reservation_id, dispute_id, status, amount_minor, currency, reason, opened_at, closed_at)
""",
    "stock": """
INSERT INTO {schema}.stock AS s (sku, received, held, sold, adjusted)
SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
ON CONFLICT (sku) DO UPDATE SET
    received = s.received + excluded.received, held = s.held + excluded.held, sold = s.sold + excluded.sold,
    adjusted = s.adjusted + excluded.adjusted
""",
    "sales_daily": """
INSERT INTO {schema}.sales_daily AS s (day, sku, currency, units, revenue_minor)
SELECT * FROM unnest(%s::date[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])
ON CONFLICT (day, sku, currency) DO UPDATE SET
    units = s.units + excluded.units, revenue_minor = s.revenue_minor + excluded.revenue_minor
""",
    "product_word": """
INSERT INTO {schema}.product_word (word)
SELECT DISTINCT word FROM unnest(%s::text[]) AS named (name), shop.name_words(name) AS word ORDER BY word
ON CONFLICT DO NOTHING
""",
    "sales_monthly": """
INSERT INTO {schema}.sales_monthly AS s (month, sku, currency, units, revenue_minor)
SELECT
    date_trunc('month', day::timestamp)::date, sku COLLATE "C", currency COLLATE "C", sum(units), sum(revenue_minor)
FROM unnest(%s::date[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])
    AS change (day, sku, currency, units, revenue_minor)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
ON CONFLICT (month, sku, currency) DO UPDATE SET
    units = s.units + excluded.units, revenue_minor = s.revenue_minor + excluded.revenue_minor
""",
    # The products have been changed before, in the same transaction. Each row says where the product is counted so far.
    "category": """
WITH moved AS (
    UPDATE {schema}.product SET counted_in = known.wanted
    FROM (
        SELECT sku, counted_in, CASE WHEN status = 'listed' THEN category END AS wanted
        FROM {schema}.product WHERE sku = ANY (%s::text[])
    ) AS known
    WHERE product.sku = known.sku AND known.counted_in IS DISTINCT FROM known.wanted
    RETURNING known.counted_in, known.wanted
)
INSERT INTO {schema}.category AS c (category, products)
SELECT counted.category, sum(counted.products)
FROM moved, LATERAL (VALUES (moved.counted_in, -1), (moved.wanted, 1)) AS counted (category, products)
WHERE counted.category IS NOT NULL
GROUP BY counted.category HAVING sum(counted.products) <> 0 ORDER BY counted.category
ON CONFLICT (category) DO UPDATE SET products = c.products + excluded.products
""",
}

PARKED: Final = """
SELECT parked_id, cause, parked.stream_id, parked.stream_version, parked.received_at, payload, head.stream_version, (
    SELECT count(*) FROM {schema}.event_log AS log
    WHERE log.stream_id = parked.stream_id AND log.stream_version > coalesce(head.stream_version, 0)
), logged.event_id::text
FROM {schema}.parked
LEFT JOIN {schema}.stream_head AS head ON head.stream_id = parked.stream_id
LEFT JOIN {schema}.event_log AS logged
    ON logged.stream_id = parked.stream_id AND logged.stream_version = parked.stream_version
WHERE dropped_at IS NULL
    AND (%(parked_ids)s::text[] IS NULL OR parked_id = ANY (%(parked_ids)s))
    AND (coalesce(parked.stream_id, '~') COLLATE "C", coalesce(parked.stream_version, 0), parked_id)
        > (%(stream)s, %(version)s, %(id)s)
ORDER BY coalesce(parked.stream_id, '~') COLLATE "C", coalesce(parked.stream_version, 0), parked_id
LIMIT %(limit)s
"""
RESOLVE: Final = """
DELETE FROM {schema}.parked
USING unnest(%s::text[], %s::text[], %s::integer[], %s::uuid[])
    AS replayed (parked_id, stream_id, stream_version, event_id)
JOIN {schema}.event_log USING (stream_id, stream_version, event_id)
WHERE parked.parked_id = replayed.parked_id
RETURNING parked.parked_id
"""
DROP: Final = """
UPDATE {schema}.parked SET dropped_at = now(), reason = %s, dropped_by = %s WHERE parked_id = %s AND dropped_at IS NULL
"""


@cache
def of(schema: str, statement: LiteralString) -> bytes:
    """Names the schema in the statement."""
    return sql.SQL(statement).format(schema=sql.Identifier(schema)).as_bytes()
