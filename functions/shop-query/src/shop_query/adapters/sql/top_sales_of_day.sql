-- A day has each product and currency once, so that nothing is added up.
WITH top AS (
    SELECT sku, currency, units, revenue_minor
    FROM read_v1.sales_daily
    WHERE day = %(first)s AND (%(currency)s::text IS NULL OR currency = %(currency)s)
    ORDER BY CASE WHEN %(sort)s = 'revenue' THEN revenue_minor ELSE units END DESC, sku, currency
    LIMIT %(limit)s::integer
),
