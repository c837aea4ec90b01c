-- It shows nothing of what it finds.
SELECT '' AS document, 0 AS version
FROM read_v1.reservations
WHERE reservation_id = %(reservation_id)s AND customer_id <> %(customer_id)s
