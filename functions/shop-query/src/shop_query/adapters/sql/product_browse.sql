-- This is never prepared. A plan for known values drops the filters and orders that are not requested, and uses an index
-- for the others; a kept plan would have to suit all combinations.
WITH matching AS NOT MATERIALIZED (
    SELECT sku, name, currency, price_minor, listed_at, NULL::integer AS rank
    FROM read_v1.products
    WHERE
        status = 'listed'
        AND (%(skus)s::text IS NULL OR sku = ANY (string_to_array(%(skus)s, ',')))
        AND (%(category)s::text IS NULL OR category = %(category)s)
        AND (%(currency)s::text IS NULL OR currency = %(currency)s)
        AND (%(price_min)s::bigint IS NULL OR price_minor >= %(price_min)s)
        AND (%(price_max)s::bigint IS NULL OR price_minor <= %(price_max)s)
        AND (NOT %(in_stock)s::boolean OR available > 0)
),
