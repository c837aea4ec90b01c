-- This computes the time from reservation to purchase by day: 50, 90 and 99 in 100 buyers took at most so long.
WITH deliveries AS (
    SELECT subject, type, time, row_number() OVER (PARTITION BY subject, streamversion ORDER BY id DESC) AS delivery
    FROM events
    WHERE
        type IN ('shop.reservation.placed.v1', 'shop.purchase.confirmed.v1')
        -- None of these comes before its reservation was placed.
        -- An object has the day of its first record, and may hold events of the next day.
        AND date >= CAST(CAST(CAST('{from}' AS date) - INTERVAL '1' DAY AS date) AS varchar)
),
instants AS (
    SELECT subject, type, TRY_CAST(replace(time, 'T', ' ') AS timestamp with time zone) AS instant
    FROM deliveries
    WHERE delivery = 1 -- Firehose may write an event again, and a restored table may make its version anew
),
reservations AS (
    SELECT
        min(CASE type WHEN 'shop.reservation.placed.v1' THEN instant END) AS placed,
        min(CASE type WHEN 'shop.purchase.confirmed.v1' THEN instant END) AS purchased
    FROM instants
    GROUP BY subject
),
purchases AS (
    SELECT CAST(placed AT TIME ZONE 'UTC' AS date) AS day, date_diff('millisecond', placed, purchased) / 1e3 AS seconds
    FROM reservations
    WHERE purchased IS NOT NULL
),
ranked AS (
    SELECT
        day,
        seconds,
        row_number() OVER (PARTITION BY day ORDER BY seconds) AS place,
        count(*) OVER (PARTITION BY day) AS purchases
    FROM purchases
)
SELECT
    day,
    count(*) AS purchases,
    min(CASE WHEN 100 * place >= 50 * purchases THEN seconds END) AS p50_seconds,
    min(CASE WHEN 100 * place >= 90 * purchases THEN seconds END) AS p90_seconds,
    min(CASE WHEN 100 * place >= 99 * purchases THEN seconds END) AS p99_seconds,
    max(seconds) AS longest_seconds
FROM ranked
WHERE day BETWEEN CAST('{from}' AS date) AND CAST('{to}' AS date)
GROUP BY day
ORDER BY day
