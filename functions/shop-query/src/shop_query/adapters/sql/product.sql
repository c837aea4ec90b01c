SELECT
    json_build_object(
        'sku', sku,
        'name', name,
        'description', description,
        'category', category,
        'images', images,
        'price', json_build_object('amount_minor', price_minor, 'currency', currency),
        'available', available,
        'status', status,
        'version', version
    )::text AS document,
    version
FROM read_v1.products
WHERE sku = %(sku)s
