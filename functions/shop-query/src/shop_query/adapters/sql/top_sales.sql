-- The order is by units, or by revenue in one currency. All sales in the days are added up.
WITH top AS (
    SELECT sku, currency, sum(units) AS units, sum(revenue_minor) AS revenue_minor
    FROM read_v1.sales_daily
    WHERE day BETWEEN %(first)s AND %(last)s AND (%(currency)s::text IS NULL OR currency = %(currency)s)
    GROUP BY sku, currency
    ORDER BY CASE WHEN %(sort)s = 'revenue' THEN sum(revenue_minor) ELSE sum(units) END DESC, sku, currency
    LIMIT %(limit)s::integer
),
ranked AS (
    SELECT *, row_number() OVER () AS place -- in the order of the list
    FROM top
)
SELECT
    coalesce(
        json_agg(
            json_build_object(
                'sku', sku,
                'units', units,
                'revenue', json_build_object('amount_minor', revenue_minor, 'currency', currency)
            )
            ORDER BY place
        ),
        '[]'
    )::text AS items,
    NULL::text[] AS last_key
FROM ranked
