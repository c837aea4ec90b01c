-- The newest come first. One row more than the page is read, to know whether another page follows.
WITH found AS (
    SELECT
        reservation_id, status, lines, total_minor, currency, version,
        to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS placed_at,
        to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS expires_at,
        row_number() OVER (ORDER BY placed_at DESC, reservation_id DESC) AS place
    FROM read_v1.reservations
    WHERE
        customer_id = %(customer_id)s
        AND (placed_at, reservation_id)
        < (coalesce(%(after_placed_at)s::timestamptz, 'infinity'), coalesce(%(after_reservation_id)s, ''))
    ORDER BY reservations.placed_at DESC, reservation_id DESC
    LIMIT %(limit)s::integer + 1
)
SELECT
    coalesce(
        json_agg(
            json_build_object(
                'reservation_id', reservation_id,
                'status', status,
                'lines', read_v1.shown_lines(lines),
                'total', json_build_object('amount_minor', total_minor, 'currency', currency),
                'placed_at', placed_at,
                'expires_at', expires_at,
                'stream_id', 'reservation-' || reservation_id,
                'stream_version', version
            )
            ORDER BY place
        ) FILTER (WHERE place <= %(limit)s),
        '[]'
    )::text AS items,
    CASE WHEN count(*) > %(limit)s THEN
        ARRAY[
            max(placed_at) FILTER (WHERE place = %(limit)s),
            max(reservation_id) FILTER (WHERE place = %(limit)s)
        ]
    END AS last_key
FROM found
