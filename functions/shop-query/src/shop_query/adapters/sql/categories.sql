-- The index is entered once for each category, since PostgreSQL has no plan for this and would read every product to find
-- the names. One row more than the page is read, to know whether another page follows.
WITH RECURSIVE named AS (
    (
        SELECT category, 1 AS place
        FROM read_v1.products
        WHERE status = 'listed' AND category > coalesce(%(after_category)s, '')
        ORDER BY category
        LIMIT 1
    )
    UNION ALL
    SELECT following.category, place + 1
    FROM
        named,
        LATERAL (
            SELECT category
            FROM read_v1.products
            WHERE status = 'listed' AND products.category > named.category
            ORDER BY category
            LIMIT 1
        ) AS following
    WHERE place <= %(limit)s::integer
)
SELECT
    coalesce(
        json_agg(
            json_build_object(
                'category', category,
                'products', (
                    SELECT count(*)
                    FROM read_v1.products
                    WHERE status = 'listed' AND products.category = named.category
                )
            )
            ORDER BY place
        ) FILTER (WHERE place <= %(limit)s),
        '[]'
    )::text AS items,
    CASE WHEN count(*) > %(limit)s THEN ARRAY[max(category) FILTER (WHERE place = %(limit)s)] END AS last_key
FROM named
