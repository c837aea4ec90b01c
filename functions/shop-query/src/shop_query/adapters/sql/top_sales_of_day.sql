-- A day has each product and currency once, so that nothing is added up.
WITH top AS (
    SELECT sku, currency, units, revenue_minor
    FROM read_v1.top_sales_of_day(%(first)s::date, %(currency)s::text, %(sort)s::text, %(limit)s::integer)
),
