-- What a catalogue is searched, filtered and sorted by.
-- A trusted extension: CREATE on the database is enough to make it. Where an administrator made it before, this is done.
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;

ALTER TABLE shop.product
    ADD COLUMN category text COLLATE "C",
    -- Kept by PostgreSQL itself, so that no projection can forget it. In order of weight: SKU and name, category, text.
    ADD COLUMN terms tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('pg_catalog.english', sku || ' ' || name), 'A')
        || setweight(to_tsvector('pg_catalog.english', coalesce(category, '')), 'B')
        || setweight(to_tsvector('pg_catalog.english', description), 'C')
    ) STORED,
    -- A new version touches no indexed column: with room on its page it costs no index a new entry.
    SET (fillfactor = 70);

-- One for each order of the list. Names by their small letters, as bytes: the same order on every server.
CREATE INDEX product_by_name ON shop.product (lower(name) COLLATE "C", sku) WHERE status = 'listed';
CREATE INDEX product_by_price ON shop.product (currency, price_minor, sku) WHERE status = 'listed';
CREATE INDEX product_by_age ON shop.product (listed_at, sku) WHERE status = 'listed';
CREATE INDEX product_of_category ON shop.product (category, sku) WHERE status = 'listed';
-- And two to search it: by words, and by their three-letter pieces where a word is misspelt. Written to at once: a list of
-- pending entries would be read from end to end by every search.
CREATE INDEX product_by_term ON shop.product USING gin (terms) WITH (fastupdate = off);
CREATE INDEX product_by_trigram ON shop.product USING gin (name gin_trgm_ops) WITH (fastupdate = off);

CREATE OR REPLACE VIEW read_v1.products AS
SELECT
    product.sku,
    product.name,
    product.description,
    product.price_minor,
    product.currency,
    greatest(
        coalesce((SELECT received - held - sold FROM shop.stock WHERE stock.sku = product.sku), 0), 0
    ) AS available,
    product.status,
    product.version,
    product.listed_at,
    product.category,
    product.terms -- for search alone: weighted words, in PostgreSQL's configuration `english`
FROM shop.product;
