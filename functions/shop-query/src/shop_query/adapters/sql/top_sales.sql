-- The whole months of the range come from their sums, and the days before and after them from theirs. The order is by units,
-- or by revenue in one currency. All products are added up in that alone, which the months' indexes have, and the best of
-- them are looked up by their keys then.
WITH best AS MATERIALIZED (
    SELECT sku, currency, read_v1.total(amount) AS amount
    FROM (
        SELECT sku, currency, CASE WHEN %(sort)s = 'revenue' THEN revenue_minor ELSE units END AS amount
        FROM read_v1.sales_daily
        WHERE day BETWEEN %(first)s AND %(last_before)s
        UNION ALL
        SELECT sku, currency, CASE WHEN %(sort)s = 'revenue' THEN revenue_minor ELSE units END
        FROM read_v1.sales_monthly
        WHERE month BETWEEN %(first_month)s AND %(last_month)s
        UNION ALL
        SELECT sku, currency, CASE WHEN %(sort)s = 'revenue' THEN revenue_minor ELSE units END
        FROM read_v1.sales_daily
        WHERE day BETWEEN %(first_after)s AND %(last)s
    ) AS sold
    WHERE %(currency)s::text IS NULL OR currency = %(currency)s
    GROUP BY sku, currency
    ORDER BY amount DESC, sku, currency
    LIMIT %(limit)s::integer
),
top AS (
    SELECT sku, currency, sold.units, sold.revenue_minor
    FROM best, LATERAL (
        SELECT read_v1.total(units) AS units, read_v1.total(revenue_minor) AS revenue_minor
        FROM (
            SELECT units, revenue_minor
            FROM read_v1.sales_daily
            WHERE sales_daily.sku = best.sku AND sales_daily.currency = best.currency AND day = ANY (ARRAY(
                SELECT generate_series(%(first)s::date, %(last_before)s::date, interval '1 day')::date
                UNION ALL
                SELECT generate_series(%(first_after)s::date, %(last)s::date, interval '1 day')::date
            ))
            UNION ALL
            SELECT units, revenue_minor
            FROM read_v1.sales_monthly
            WHERE sales_monthly.sku = best.sku AND sales_monthly.currency = best.currency AND month = ANY (ARRAY(
                SELECT generate_series(%(first_month)s::date, %(last_month)s::date, interval '1 month')::date
            ))
        ) AS periods
    ) AS sold
    ORDER BY amount DESC, sku, currency
),
