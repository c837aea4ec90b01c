-- Lists are in the order of bytes, whatever locale the database was made with: Czech has CHF after HUF, and a new version
-- of the C library may order anew what an index has.
DROP INDEX shop.product_by_price;
CREATE INDEX product_by_price ON shop.product (currency COLLATE "C", price_minor, sku) WHERE status = 'listed';

-- Which characters are letters, and which capital is which small letter, is the database's own: neither the search's words
-- nor its three-letter pieces take a collation. LC_CTYPE C has ASCII alone; C.UTF-8 and en_US.UTF-8, Aurora's default,
-- have the letters of all scripts, and the same ones.
DO $$
BEGIN
    IF lower('É Ж') <> 'é ж' OR show_trgm('Ж') = '{}' OR to_tsvector('pg_catalog.english', '—') <> '' THEN
        RAISE EXCEPTION 'this database knows only the letters of ASCII: make it with LOCALE ''C.UTF-8''';
    END IF;
END
$$;
