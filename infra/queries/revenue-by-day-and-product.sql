-- This sums the sales of each day, by product and currency, less the refunds and lost disputes of that day.
WITH deliveries AS (
    SELECT type, time, data, row_number() OVER (PARTITION BY subject, streamversion ORDER BY id DESC) AS delivery
    FROM events
    WHERE
        type IN (
            'shop.purchase.confirmed.v1',
            'shop.purchase.refunded.v1',
            'shop.purchase.refunded.v2',
            'shop.purchase.refund-failed.v1',
            'shop.purchase.dispute-closed.v1'
        )
        -- An object has the day of its first record, and may hold events of the next day.
        AND date >= CAST(CAST(CAST('{from}' AS date) - INTERVAL '1' DAY AS date) AS varchar)
),
sales AS (
    SELECT
        CAST(TRY_CAST(replace(time, 'T', ' ') AS timestamp with time zone) AT TIME ZONE 'UTC' AS date) AS day,
        type,
        TRY_CAST(json_extract(data, '$') AS ROW(status varchar)) AS dispute,
        -- The first version of a refund gave everything back, and has a total as the purchase has. Its lines have a price
        -- for each unit, and those of the second version an amount.
        TRY_CAST(
            coalesce(json_extract(data, '$.total'), json_extract(data, '$.amount'))
            AS ROW(amount_minor bigint, currency varchar)
        ) AS total,
        TRY_CAST(item AS ROW(sku varchar, quantity bigint, unit_price_minor bigint, amount_minor bigint)) AS line
    FROM deliveries
    CROSS JOIN UNNEST(TRY_CAST(json_extract(data, '$.lines') AS json ARRAY)) AS lines (item)
    WHERE delivery = 1 -- Firehose may write an event again, and a restored table may make its version anew
),
directed AS (
    SELECT
        *,
        CASE
            WHEN type LIKE 'shop.purchase.refunded.%' THEN -1
            WHEN dispute.status = 'lost' THEN -1 -- it may still be won
            ELSE 1
        END AS direction
    FROM sales
)
SELECT
    day,
    line.sku AS sku,
    total.currency AS currency,
    sum(direction * line.quantity) AS units,
    sum(direction * coalesce(line.amount_minor, line.quantity * line.unit_price_minor)) AS revenue_minor
FROM directed
WHERE day BETWEEN CAST('{from}' AS date) AND CAST('{to}' AS date)
GROUP BY day, line.sku, total.currency
ORDER BY day, sku, currency
