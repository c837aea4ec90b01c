-- One stream's events in order. Put its id, such as reservation-... or product-..., in the place of {stream}.
-- (Not an execution parameter: the emulator ignores those.)
WITH deliveries AS (
    SELECT streamversion, time, type, id, data, row_number() OVER (PARTITION BY id ORDER BY streamversion) AS delivery
    FROM events
    WHERE subject = '{stream}'
)
SELECT streamversion, time, type, id, json_extract(data, '$') AS data
FROM deliveries
WHERE delivery = 1 -- Firehose may write an event again; its id stays the same
ORDER BY streamversion
