-- This counts why payments were declined and reservations expired, for the reservations placed from one day to another.
-- The cause of an expiry is the last decline before it, or that no payment was tried.
WITH deliveries AS (
    SELECT
        subject, streamversion, type, time, data,
        row_number() OVER (PARTITION BY subject, streamversion ORDER BY id DESC) AS delivery
    FROM events
    WHERE
        type IN ('shop.reservation.placed.v1', 'shop.reservation.expired.v1', 'shop.payment.declined.v1')
        -- None of these comes before its reservation was placed.
        -- An object has the day of its first record, and may hold events of the next day.
        AND date >= CAST(CAST(CAST('{from}' AS date) - INTERVAL '1' DAY AS date) AS varchar)
),
facts AS (
    SELECT
        subject,
        streamversion,
        type,
        CAST(TRY_CAST(replace(time, 'T', ' ') AS timestamp with time zone) AT TIME ZONE 'UTC' AS date) AS day,
        TRY_CAST(json_extract(data, '$') AS ROW(code varchar, decline_code varchar)) AS payment
    FROM deliveries
    WHERE delivery = 1 -- Firehose may write an event again, and a restored table may make its version anew
),
ends AS (
    SELECT
        subject,
        type,
        min(CASE type WHEN 'shop.reservation.placed.v1' THEN day END) OVER (PARTITION BY subject) AS day,
        coalesce(payment.decline_code, payment.code) AS cause,
        max_by(
            coalesce(payment.decline_code, payment.code),
            CASE type WHEN 'shop.payment.declined.v1' THEN streamversion END
        ) OVER (PARTITION BY subject) AS last_decline
    FROM facts
)
SELECT
    CASE type WHEN 'shop.payment.declined.v1' THEN 'declined' ELSE 'expired' END AS ended,
    CASE type WHEN 'shop.payment.declined.v1' THEN cause ELSE coalesce(last_decline, 'no payment tried') END AS cause,
    count(*) AS times,
    count(DISTINCT subject) AS reservations
FROM ends
WHERE type <> 'shop.reservation.placed.v1' AND day BETWEEN CAST('{from}' AS date) AND CAST('{to}' AS date)
GROUP BY 1, 2
ORDER BY ended, times DESC, cause
