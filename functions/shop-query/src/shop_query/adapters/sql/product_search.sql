-- This is never prepared, like product_browse.sql. No index has the order of relevance, so all matches are ranked, and
-- their number is limited. So what matches best is read first: the SKU, the whole name, all words in the name, all words
-- anywhere, and at last words that only begin so. OFFSET 0 keeps the other filters out of the choice of the index, because
-- PostgreSQL takes comparing texts to be as cheap as comparing numbers, and chooses badly. The words that an index is asked for
-- are known while it plans, and their products come in the order of SKUs: of a word that most have, it then reads product
-- after product until there are enough, where the index of words would hand over all of them first.
WITH asked AS MATERIALIZED (
    SELECT
        ARRAY[%(q)s, upper(%(q)s), lower(%(q)s)] AS skus,
        lower(%(q)s) COLLATE "C" AS name,
        read_v1.search_query(%(q)s, false) AS words,
        read_v1.search_query(%(q)s, true) AS unfinished
),
worded AS MATERIALIZED ( -- what has all the words
    SELECT
        sku, name, currency, price_minor, listed_at,
        CASE WHEN %(sort)s = 'relevance'
            THEN 1000000 * exactness
                + (1000000 * coalesce(ts_rank(terms, (SELECT unfinished FROM asked)), 0))::integer
        END AS rank
    FROM (
        (
            SELECT *, CASE WHEN sku = %(q)s THEN 3 ELSE 2 END AS exactness
            FROM read_v1.products
            WHERE sku = ANY ((SELECT skus FROM asked)::text[])
            OFFSET 0
        )
        UNION ALL
        (
            SELECT *, 1
            FROM read_v1.products
            WHERE status = 'listed' AND lower(name) COLLATE "C" = (SELECT name FROM asked)
            OFFSET 0
        )
        UNION ALL
        (
            SELECT *, 0
            FROM read_v1.products
            WHERE name_terms @@ read_v1.search_query(%(q)s, false)
            ORDER BY sku
            OFFSET 0
        )
        UNION ALL
        (
            SELECT *, 0
            FROM read_v1.products
            WHERE terms @@ read_v1.search_query(%(q)s, false) AND NOT name_terms @@ (SELECT words FROM asked)
            ORDER BY sku
            OFFSET 0
        )
        UNION ALL
        (
            SELECT *, 0
            FROM read_v1.products
            WHERE terms @@ read_v1.search_query(%(q)s, true) AND NOT terms @@ (SELECT words FROM asked)
            ORDER BY sku
            OFFSET 0
        )
    ) AS found
    WHERE
        status = 'listed'
        -- What matches more exactly has been read before.
        AND (exactness >= 2 OR sku <> ALL ((SELECT skus FROM asked)::text[]))
        AND (exactness >= 1 OR lower(name) COLLATE "C" <> (SELECT name FROM asked))
        AND (%(skus)s::text IS NULL OR sku = ANY (string_to_array(%(skus)s, ',')))
        AND (%(category)s::text IS NULL OR category = %(category)s)
        AND (%(currency)s::text IS NULL OR currency = %(currency)s)
        AND (%(price_min)s::bigint IS NULL OR price_minor >= %(price_min)s)
        AND (%(price_max)s::bigint IS NULL OR price_minor <= %(price_max)s)
        AND (NOT %(in_stock)s::boolean OR available > 0)
    LIMIT CASE WHEN %(sort)s = 'relevance' THEN %(ranked_max)s::integer END
),
guessed AS MATERIALIZED (
    SELECT read_v1.similar_query(%(q)s) AS words WHERE NOT EXISTS (SELECT FROM worded)
),
alike AS NOT MATERIALIZED ( -- if nothing has: what has words that are spelt alike
    SELECT
        sku, name, currency, price_minor, listed_at,
        (1000000 * ts_rank(terms, (SELECT words FROM guessed)))::integer AS rank
    FROM (
        SELECT * FROM read_v1.products WHERE terms @@ (SELECT words FROM guessed) OFFSET 0
    ) AS found
    WHERE
        status = 'listed'
        AND (%(skus)s::text IS NULL OR sku = ANY (string_to_array(%(skus)s, ',')))
        AND (%(category)s::text IS NULL OR category = %(category)s)
        AND (%(currency)s::text IS NULL OR currency = %(currency)s)
        AND (%(price_min)s::bigint IS NULL OR price_minor >= %(price_min)s)
        AND (%(price_max)s::bigint IS NULL OR price_minor <= %(price_max)s)
        AND (NOT %(in_stock)s::boolean OR available > 0)
    LIMIT %(alike_max)s::integer
),
matching AS NOT MATERIALIZED (
    SELECT * FROM worded
    UNION ALL
    SELECT * FROM alike
),
