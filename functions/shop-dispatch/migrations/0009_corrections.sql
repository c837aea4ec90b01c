-- Stock can be adjusted by hand, and a product has pictures: a JSON array of {path, width, height, alt}.
LOCK TABLE read_v1.products; -- readers lock it before its tables
ALTER TABLE shop.stock ADD COLUMN adjusted bigint NOT NULL DEFAULT 0;
ALTER TABLE shop.product ADD COLUMN images jsonb NOT NULL DEFAULT '[]';

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
    product.terms, -- for search alone: weighted words, in PostgreSQL's configuration `english`
    product.images
FROM shop.product;
