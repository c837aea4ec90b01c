-- Both product_browse and product_search, which define `matching`, end with this.
-- One row more than the page is read, to know whether another page follows. The count stops one above its limit, to know
-- whether it is exact.
page AS (
    SELECT sku, lower(name) COLLATE "C" AS name, currency, price_minor, listed_at, rank
    FROM matching
    WHERE
        CASE
            WHEN %(after_sku)s::text IS NULL THEN true
            WHEN %(sort)s = 'name' THEN (lower(name) COLLATE "C", sku) > (%(after_name)s, %(after_sku)s)
            WHEN %(sort)s = 'price'
                THEN (currency COLLATE "C", price_minor, sku) > (%(after_currency)s, %(after_price)s::bigint, %(after_sku)s)
            WHEN %(sort)s = '-price'
                THEN (currency COLLATE "C", price_minor, sku) < (%(after_currency)s, %(after_price)s::bigint, %(after_sku)s)
            WHEN %(sort)s = 'newest' THEN (listed_at, sku) < (%(after_listed_at)s::timestamptz, %(after_sku)s)
            WHEN %(sort)s = 'relevance' THEN (-rank, sku) > (-(%(after_rank)s::integer), %(after_sku)s)
            WHEN %(sort)s = 'sku' THEN sku > %(after_sku)s
        END
    ORDER BY
        CASE WHEN %(sort)s = 'name' THEN lower(name) COLLATE "C" END,
        CASE WHEN %(sort)s = 'price' THEN currency COLLATE "C" END,
        CASE WHEN %(sort)s = 'price' THEN price_minor END,
        CASE WHEN %(sort)s = '-price' THEN currency COLLATE "C" END DESC,
        CASE WHEN %(sort)s = '-price' THEN price_minor END DESC,
        CASE WHEN %(sort)s = 'newest' THEN listed_at END DESC,
        CASE WHEN %(sort)s = 'relevance' THEN -rank END,
        CASE WHEN %(sort)s IN ('-price', 'newest') THEN sku END DESC,
        sku
    LIMIT %(limit)s::integer + 1
),
keyed AS (
    SELECT
        sku,
        CASE
            WHEN %(sort)s = 'name' THEN ARRAY[name, sku]
            WHEN %(sort)s IN ('price', '-price') THEN ARRAY[currency, price_minor::text, sku]
            WHEN %(sort)s = 'newest'
                THEN ARRAY[to_char(listed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), sku]
            WHEN %(sort)s = 'relevance' THEN ARRAY[rank::text, sku]
            WHEN %(sort)s = 'sku' THEN ARRAY[sku]
        END AS key,
        row_number() OVER () AS place -- in the order of the page
    FROM page
)
SELECT
    coalesce(
        json_agg(
            json_build_object(
                'sku', products.sku,
                'name', products.name,
                'description', products.description,
                'category', products.category,
                'images', products.images,
                'price', json_build_object('amount_minor', products.price_minor, 'currency', products.currency),
                'available', products.available,
                'status', products.status,
                'version', products.version
            )
            ORDER BY place
        ) FILTER (WHERE place <= %(limit)s),
        '[]'
    )::text AS items,
    CASE WHEN count(*) > %(limit)s THEN max(key) FILTER (WHERE place = %(limit)s) END AS last_key,
    CASE WHEN %(total)s::boolean THEN
        (SELECT count(*) FROM (SELECT FROM matching LIMIT %(total_max)s::integer + 1) AS counted)
    END AS total
FROM keyed
JOIN read_v1.products USING (sku)
