-- This counts, for each day, the reservations placed on it, those purchased, and how the others ended.
WITH deliveries AS (
    SELECT
        subject,
        type,
        CAST(TRY_CAST(replace(time, 'T', ' ') AS timestamp with time zone) AT TIME ZONE 'UTC' AS date) AS day,
        row_number() OVER (PARTITION BY subject, streamversion ORDER BY id DESC) AS delivery
    FROM events
    WHERE
        type IN (
            'shop.reservation.placed.v1',
            'shop.reservation.cancelled.v1',
            'shop.reservation.expired.v1',
            'shop.purchase.confirmed.v1'
        )
        -- None of these comes before its reservation was placed.
        -- An object has the day of its first record, and may hold events of the next day.
        AND date >= CAST(CAST(CAST('{from}' AS date) - INTERVAL '1' DAY AS date) AS varchar)
),
reservations AS (
    SELECT
        subject,
        min(CASE type WHEN 'shop.reservation.placed.v1' THEN day END) AS day,
        max(CASE type WHEN 'shop.purchase.confirmed.v1' THEN 1 ELSE 0 END) AS purchased,
        max(CASE type WHEN 'shop.reservation.cancelled.v1' THEN 1 ELSE 0 END) AS cancelled,
        max(CASE type WHEN 'shop.reservation.expired.v1' THEN 1 ELSE 0 END) AS expired
    FROM deliveries
    WHERE delivery = 1 -- Firehose may write an event again, and a restored table may make its version anew
    GROUP BY subject
)
SELECT
    day,
    count(*) AS reserved,
    sum(purchased) AS purchased,
    sum(cancelled) AS cancelled,
    sum(expired) AS expired,
    count(*) - sum(purchased) - sum(cancelled) - sum(expired) AS still_open,
    round(1e2 * sum(purchased) / count(*), 1) AS purchased_percent
FROM reservations
WHERE day BETWEEN CAST('{from}' AS date) AND CAST('{to}' AS date)
GROUP BY day
ORDER BY day
