-- This statement looks each day up by its key, while daily_sales.sql reads every product of the range.
-- One row more than the page is read, to know whether another page follows.
WITH found AS (
    SELECT
        day, sku, currency, units, revenue_minor,
        row_number() OVER (ORDER BY day, sku, currency) AS place
    FROM
        generate_series(0, %(last)s::date - coalesce(%(after_day)s::date, %(first)s::date)) AS days,
        LATERAL (
            SELECT *
            FROM read_v1.sales_daily
            WHERE day = coalesce(%(after_day)s::date, %(first)s::date) + days AND sku = %(sku)s
            OFFSET 0 -- once for each day, not one join with all days of all products
        ) AS sold
    WHERE (day, currency) > (coalesce(%(after_day)s::date, %(first)s::date), coalesce(%(after_currency)s, ''))
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
