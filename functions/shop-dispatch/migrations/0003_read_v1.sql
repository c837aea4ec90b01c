-- All that shop-query may see. A released view only ever gains columns; anything else is a read_v2.
CREATE SCHEMA read_v1;
GRANT USAGE ON SCHEMA read_v1 TO shop_query;

CREATE VIEW read_v1.products AS
SELECT
    product.sku,
    product.name,
    product.description,
    product.price_minor,
    product.currency,
    -- While a reservation is here and the delivery that it was served from is not, the difference is negative.
    -- A subquery, not a join: for a page of products by their key, PostgreSQL then reads the stock of that page alone.
    greatest(
        coalesce((SELECT received - held - sold FROM shop.stock WHERE stock.sku = product.sku), 0), 0
    ) AS available,
    product.status,
    product.version,
    product.listed_at
FROM shop.product;

CREATE VIEW read_v1.reservations AS
SELECT
    reservation_id, customer_id, status, lines, total_minor, currency, placed_at, expires_at, payment_intent_id, version
FROM shop.reservation;

CREATE VIEW read_v1.purchases AS
SELECT
    reservation_id AS purchase_id,
    reservation_id,
    customer_id,
    status,
    lines,
    total_minor,
    currency,
    payment_intent_id,
    purchased_at,
    version
FROM shop.reservation
WHERE purchased_at IS NOT NULL;

CREATE VIEW read_v1.sales_daily AS
SELECT day, sku, currency, units, revenue_minor
FROM shop.sales_daily;

GRANT SELECT ON read_v1.products, read_v1.reservations, read_v1.purchases, read_v1.sales_daily TO shop_query;
