-- Never prepared: planned with its values, every filter and order that is not asked for folds away, and an index serves
-- what is left. A plan that is kept would have to suit all questions at once.
WITH matching AS NOT MATERIALIZED (
    SELECT sku, name, currency, price_minor, listed_at, NULL::integer AS rank
    FROM read_v1.products
    WHERE
        status = 'listed'
        AND (%(category)s::text IS NULL OR category = %(category)s)
        AND (%(currency)s::text IS NULL OR currency = %(currency)s)
        AND (%(price_min)s::bigint IS NULL OR price_minor >= %(price_min)s)
        AND (%(price_max)s::bigint IS NULL OR price_minor <= %(price_max)s)
        AND (NOT %(in_stock)s::boolean OR available > 0)
),
