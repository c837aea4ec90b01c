-- One row more than the page is read, to know whether another page follows.
WITH found AS (
    SELECT category, products, row_number() OVER (ORDER BY category) AS place
    FROM read_v1.categories
    WHERE category > coalesce(%(after_category)s, '')
    ORDER BY category
    LIMIT %(limit)s::integer + 1
)
SELECT
    coalesce(
        json_agg(json_build_object('category', category, 'products', products) ORDER BY place)
            FILTER (WHERE place <= %(limit)s),
        '[]'
    )::text AS items,
    CASE WHEN count(*) > %(limit)s THEN ARRAY[max(category) FILTER (WHERE place = %(limit)s)] END AS last_key
FROM found
