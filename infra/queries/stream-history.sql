-- This lists one stream's events in order.
WITH deliveries AS (
    SELECT streamversion, time, type, id, data, row_number() OVER (PARTITION BY id ORDER BY streamversion) AS delivery
    FROM events
    WHERE subject = '{stream}'
)
SELECT streamversion, time, type, id, data
FROM deliveries
WHERE delivery = 1 -- Firehose may write an event again; its id stays the same
ORDER BY streamversion
