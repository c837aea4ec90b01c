-- Each order is that of an index, so a month of any size is read as far as the list goes. This is planned for the values, as
-- the other order and the currency fold away.
WITH top AS (
    SELECT sku, currency, units, revenue_minor
    FROM read_v1.sales_monthly
    WHERE month = %(first)s AND (%(currency)s::text IS NULL OR currency = %(currency)s)
    ORDER BY CASE WHEN %(sort)s = 'revenue' THEN revenue_minor ELSE units END DESC, sku, currency
    LIMIT %(limit)s::integer
),
