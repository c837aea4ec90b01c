-- How many products of each category are for sale, so that nobody who asks has to count them.
ALTER TABLE shop.product -- no batch is applied from here to the end of this
    ADD COLUMN counted_in text COLLATE "C"; -- the category that counts the product
UPDATE shop.product SET counted_in = category WHERE status = 'listed' AND category IS NOT NULL;

CREATE TABLE shop.category (
    category text COLLATE "C" PRIMARY KEY,
    products bigint NOT NULL
) WITH (fillfactor = 70);

INSERT INTO shop.category
SELECT category, count(*)
FROM shop.product
WHERE status = 'listed' AND category IS NOT NULL
GROUP BY category;

GRANT SELECT, INSERT, UPDATE ON shop.category TO shop_dispatch;

CREATE VIEW read_v1.categories AS
SELECT category, products
FROM shop.category
WHERE products > 0;

GRANT SELECT ON read_v1.categories TO shop_query;
