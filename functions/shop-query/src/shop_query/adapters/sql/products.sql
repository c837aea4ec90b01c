-- Most requests are for the whole list by SKU, so this is prepared, unlike product_browse.sql.
-- One row more than the page is read, to know whether another page follows.
WITH found AS (
    SELECT
        sku, name, description, category, images, price_minor, currency, available, status, version,
        row_number() OVER (ORDER BY sku) AS place
    FROM read_v1.products
    WHERE status = 'listed' AND sku > coalesce(%(after_sku)s, '')
    ORDER BY sku
    LIMIT %(limit)s::integer + 1
)
SELECT
    coalesce(
        json_agg(
            json_build_object(
                'sku', sku,
                'name', name,
                'description', description,
                'category', category,
                'images', images,
                'price', json_build_object('amount_minor', price_minor, 'currency', currency),
                'available', available,
                'status', status,
                'version', version
            )
            ORDER BY place
        ) FILTER (WHERE place <= %(limit)s),
        '[]'
    )::text AS items,
    CASE WHEN count(*) > %(limit)s THEN ARRAY[max(sku) FILTER (WHERE place = %(limit)s)] END AS last_key
FROM found
