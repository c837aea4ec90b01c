-- What a misspelt word may have meant: every word that a product's name has or had. They are far fewer than the products, so
-- that the ones that are spelt alike are found in a moment, and products by those words as in any search.
LOCK TABLE shop.product IN SHARE MODE; -- so that no batch is applied between the reading and the end of this

-- In small letters and without accents. Numbers and one or two letters are too like each other to stand for a misspelt one.
CREATE FUNCTION shop.name_words(name text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
    SELECT DISTINCT word
    FROM regexp_split_to_table(lower(shop.words(name)), ' +') AS word
    WHERE length(word) >= 3 AND word !~ '^[0-9]+$';
END;

CREATE TABLE shop.product_word (word text COLLATE "C" PRIMARY KEY);

INSERT INTO shop.product_word SELECT DISTINCT word FROM shop.product, shop.name_words(name) AS word;

CREATE INDEX product_word_by_trigram ON shop.product_word USING gin (word gin_trgm_ops) WITH (fastupdate = off);

GRANT SELECT, INSERT ON shop.product_word TO shop_dispatch;

CREATE VIEW read_v1.product_words AS
SELECT word
FROM shop.product_word;

GRANT SELECT ON read_v1.product_words TO shop_query;

-- What may have been meant: each word has to be there, or, where no name has it, one of the five words of names that are spelt
-- most like it. Passed over are stop words, and numbers and one or two letters that are like no word of a name. NULL where no
-- word is like any.
CREATE FUNCTION read_v1.similar_query(asked text) RETURNS tsquery
LANGUAGE sql STABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
    SELECT
        CASE WHEN bool_or(alike <> '{}') THEN
            string_agg(
                '(' || (
                    SELECT string_agg(read_v1.search_query(each, false)::text, ' | ')
                    FROM unnest(CASE WHEN alike[1] = word THEN '{}' ELSE alike END || word) AS each
                ) || ')',
                ' & '
            ) FILTER (WHERE alike <> '{}' OR (length(word) >= 3 AND word !~ '[0-9]'))
        END::tsquery
    FROM (
        SELECT
            split.word,
            ARRAY(
                SELECT product_words.word COLLATE "default"
                FROM read_v1.product_words
                WHERE length(split.word) >= 3 AND split.word % product_words.word
                ORDER BY similarity(split.word, product_words.word) DESC, product_words.word
                LIMIT 5
            ) AS alike
        FROM regexp_split_to_table(lower(shop.words(asked)), ' +') AS split (word)
        WHERE numnode(plainto_tsquery('pg_catalog.english', split.word)) > 0
    ) AS parsed;
END;
