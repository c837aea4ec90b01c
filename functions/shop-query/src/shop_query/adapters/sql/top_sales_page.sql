-- The three statements `top_sales…`, which define `top`, end with this.
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
