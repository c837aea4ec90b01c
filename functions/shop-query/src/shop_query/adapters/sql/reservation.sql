-- The owner is part of the key: another customer's reservation is not found.
SELECT
    json_build_object(
        'reservation_id', reservation_id,
        'status', status,
        'lines', lines,
        'total', json_build_object('amount_minor', total_minor, 'currency', currency),
        'expires_at', to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'stream_id', 'reservation-' || reservation_id,
        'stream_version', version
    )::text AS document
FROM read_v1.reservations
WHERE reservation_id = %(reservation_id)s AND customer_id = %(customer_id)s
