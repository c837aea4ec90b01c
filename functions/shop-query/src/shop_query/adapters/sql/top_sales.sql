-- The whole months of the range come from their sums, and the days before and after them from theirs. The order is by units,
-- or by revenue in one currency.
WITH top AS (
    SELECT sku, currency, sum(units) AS units, sum(revenue_minor) AS revenue_minor
    FROM (
        SELECT sku, currency, units, revenue_minor
        FROM read_v1.sales_daily
        WHERE day BETWEEN %(first)s AND %(last_before)s
        UNION ALL
        SELECT sku, currency, units, revenue_minor
        FROM read_v1.sales_monthly
        WHERE month BETWEEN %(first_month)s AND %(last_month)s
        UNION ALL
        SELECT sku, currency, units, revenue_minor
        FROM read_v1.sales_daily
        WHERE day BETWEEN %(first_after)s AND %(last)s
    ) AS sold
    WHERE %(currency)s::text IS NULL OR currency = %(currency)s
    GROUP BY sku, currency
    ORDER BY CASE WHEN %(sort)s = 'revenue' THEN sum(revenue_minor) ELSE sum(units) END DESC, sku, currency
    LIMIT %(limit)s::integer
),
