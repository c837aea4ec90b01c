-- Signs the cursors of shop-query's lists (docs/adr/0009-cursors.md). 244 random bits, made where they are kept: no
-- environment, no parameter and no log ever holds them. To change it, and with it to end every cursor: UPDATE it.
CREATE TABLE shop.cursor_key (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    key text NOT NULL
);
INSERT INTO shop.cursor_key (key) VALUES (gen_random_uuid()::text || gen_random_uuid()::text);

CREATE VIEW read_v1.cursor_key AS
SELECT key
FROM shop.cursor_key;

GRANT SELECT ON read_v1.cursor_key TO shop_query;
