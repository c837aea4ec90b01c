-- What a search finds: words without their accents, the parts of words that are joined by a hyphen, slash or full stop, and
-- the joined words as one. PostgreSQL's own parser takes `coffee/tea` for a path and the 500 of `beans-500` for -500.
LOCK TABLE read_v1.products IN ACCESS EXCLUSIVE MODE; -- as readers do: the view, then its tables

-- The extension unaccent is not used, because its rules are a file of the server, and an index has to stay true when that
-- changes. Letters that Unicode does not take apart are listed.
CREATE FUNCTION shop.unaccented(original text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN translate(
    replace(replace(replace(replace(replace(replace(
        regexp_replace(normalize(original, NFD), '[\u0300-\u036f]', '', 'g'),
        'ß', 'ss'), 'ẞ', 'ss'), 'æ', 'ae'), 'Æ', 'ae'), 'œ', 'oe'), 'Œ', 'oe'),
    'øØłŁđĐðÐħĦŧŦı', 'oOlLdDdDhHtTi'
);

-- Words with spaces between them and nothing else, so that the parser meets neither paths, hosts nor signs.
CREATE FUNCTION shop.words(original text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN regexp_replace(
    shop.unaccented(original),
    '[!-/:-@\[-`{-~\u00a0-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u3000]+', ' ', 'g'
);

-- English word forms of the parts, and each word as it is written: for what somebody is still typing, and for stop words.
CREATE FUNCTION shop.terms(original text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN
    to_tsvector('pg_catalog.english', shop.words(original))
    || to_tsvector('pg_catalog.simple', shop.words(regexp_replace(original, '[-./_''\u2010-\u2015\u2019]', '', 'g')));

-- Each word has to be there, in its English form or as it is written; of the last one, if somebody is still typing, the
-- beginning is enough. Stop words are passed over, unless there is nothing else. NULL where there is no word.
CREATE FUNCTION read_v1.search_query(asked text, is_unfinished boolean) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
    SELECT
        string_agg(
            '(' || CASE WHEN numnode(form) > 0 THEN '(' || form::text || ') | ' ELSE '' END
            || '(' || written::text || ')'
            || CASE
                WHEN is_unfinished AND place = last AND numnode(written) = 1 AND length(word) > 1
                    THEN ' | ' || written::text || ':*'
                ELSE ''
            END || ')',
            ' & '
        )::tsquery
    FROM (
        SELECT *, max(place) OVER () AS last, bool_or(numnode(form) > 0) OVER () AS any_form
        FROM (
            SELECT
                word,
                place,
                plainto_tsquery('pg_catalog.english', word) AS form,
                plainto_tsquery('pg_catalog.simple', word) AS written
            FROM regexp_split_to_table(shop.words(asked), ' +') WITH ORDINALITY AS split (word, place)
        ) AS parsed
        WHERE numnode(written) > 0
    ) AS placed
    WHERE numnode(form) > 0 OR NOT any_form;
END;

ALTER TABLE shop.product RENAME COLUMN terms TO terms_before;
ALTER TABLE shop.product
    ADD COLUMN terms tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(shop.terms((sku COLLATE "default") || ' ' || name), 'A')
        || setweight(shop.terms(coalesce(category, '') COLLATE "default"), 'B')
        || setweight(to_tsvector('pg_catalog.english', shop.words(description)), 'C')
    ) STORED,
    -- Apart from the others, for a word that many descriptions have and some names.
    ADD COLUMN name_terms tsvector NOT NULL GENERATED ALWAYS AS (
        shop.terms((sku COLLATE "default") || ' ' || name)
    ) STORED;

CREATE OR REPLACE VIEW read_v1.products AS
SELECT
    product.sku,
    product.name,
    product.description,
    product.price_minor,
    product.currency,
    greatest(
        coalesce((SELECT received + adjusted - held - sold FROM shop.stock WHERE stock.sku = product.sku), 0), 0
    ) AS available,
    product.status,
    product.version,
    product.listed_at,
    product.category,
    product.terms, -- for search alone: weighted words of everything, which read_v1.search_query asks for
    product.images,
    product.name_terms -- the same of SKU and name
FROM shop.product;

ALTER TABLE shop.product DROP COLUMN terms_before; -- and its index
CREATE INDEX product_by_term ON shop.product USING gin (terms) WITH (fastupdate = off);
CREATE INDEX product_by_name_term ON shop.product USING gin (name_terms) WITH (fastupdate = off);

-- The lines of a reservation as its customer sees them: with the name that the product had, or has where the lines are older
-- than that, and with its present first picture.
CREATE FUNCTION read_v1.shown_lines(lines jsonb) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
    SELECT
        json_agg(
            json_build_object(
                'sku', line ->> 'sku',
                'quantity', line -> 'quantity',
                'unit_price_minor', line -> 'unit_price_minor',
                'name', coalesce(line ->> 'name', products.name),
                'image', products.images -> 0
            )
            ORDER BY place
        )
    FROM jsonb_array_elements(lines) WITH ORDINALITY AS held (line, place)
    LEFT JOIN read_v1.products ON products.sku = line ->> 'sku';
END;
