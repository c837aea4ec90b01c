-- This lists what an administrator has done from one day to another, in order.
WITH deliveries AS (
    SELECT
        subject, streamversion, time, type, id, correlationid, data,
        CAST(TRY_CAST(replace(time, 'T', ' ') AS timestamp with time zone) AT TIME ZONE 'UTC' AS date) AS day,
        row_number() OVER (PARTITION BY id ORDER BY streamversion) AS delivery
    FROM events
    WHERE
        authtype = 'app_user'
        AND authid = '{administrator}'
        -- An object has the day of its first record, and may hold events of the next day.
        AND date >= CAST(CAST(CAST('{from}' AS date) - INTERVAL '1' DAY AS date) AS varchar)
)
SELECT time, subject, streamversion, type, id, correlationid, data
FROM deliveries
WHERE
    delivery = 1 -- Firehose may write an event again; its id stays the same
    AND day BETWEEN CAST('{from}' AS date) AND CAST('{to}' AS date)
ORDER BY id -- a UUIDv7 begins with the time
