-- The owner is part of the key: another customer's reservation is not found.
SELECT
    json_build_object(
        'reservation_id', reservation_id,
        'status', status,
        'lines', read_v1.shown_lines(lines),
        'total', json_build_object('amount_minor', total_minor, 'currency', currency),
        'placed_at', to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'expires_at', to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'stream_id', 'reservation-' || reservation_id,
        'stream_version', version,
        'timeline', (
            SELECT
                coalesce(
                    json_agg(
                        json_build_object(
                            'type', type,
                            'time', to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                            'stream_version', stream_version
                        )
                        ORDER BY stream_version
                    ),
                    '[]'
                )
            FROM read_v1.timeline
            WHERE timeline.reservation_id = reservations.reservation_id AND timeline.customer_id = %(customer_id)s
        )
    )::text AS document,
    version
FROM read_v1.reservations
WHERE reservation_id = %(reservation_id)s AND customer_id = %(customer_id)s
