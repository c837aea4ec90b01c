-- The key after the cursor is the index's lower bound. On the first page it must be the first day, or PostgreSQL reads all
-- earlier days too.
-- One row more than the page is read, to know whether another page follows.
WITH found AS (
    SELECT
        day, sku, currency, units, revenue_minor,
        row_number() OVER (ORDER BY day, sku, currency) AS place
    FROM read_v1.sales_daily
    WHERE
        day BETWEEN %(first)s AND %(last)s
        AND (day, sku, currency)
        > (coalesce(%(after_day)s::date, %(first)s::date), coalesce(%(after_sku)s, ''), coalesce(%(after_currency)s, ''))
    ORDER BY day, sku, currency
    LIMIT %(limit)s::integer + 1
)
SELECT
    coalesce(
        json_agg(
            json_build_object(
                'day', day,
                'sku', sku,
                'units', units,
                'revenue', json_build_object('amount_minor', revenue_minor, 'currency', currency)
            )
            ORDER BY place
        ) FILTER (WHERE place <= %(limit)s),
        '[]'
    )::text AS items,
    CASE WHEN count(*) > %(limit)s THEN
        ARRAY[
            max(day::text) FILTER (WHERE place = %(limit)s),
            max(sku) FILTER (WHERE place = %(limit)s),
            max(currency) FILTER (WHERE place = %(limit)s)
        ]
    END AS last_key
FROM found
