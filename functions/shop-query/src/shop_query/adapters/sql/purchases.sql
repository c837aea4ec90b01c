-- The newest come first. One row more than the page is read, to know whether another page follows.
WITH found AS (
    SELECT
        purchase_id, reservation_id, status, lines, total_minor, currency, payment_intent_id, version, refunded_minor,
        to_char(purchased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS purchased_at,
        row_number() OVER (ORDER BY purchased_at DESC, purchase_id DESC) AS place
    FROM read_v1.purchases
    WHERE
        customer_id = %(customer_id)s
        AND (purchased_at, purchase_id)
        < (coalesce(%(after_purchased_at)s::timestamptz, 'infinity'), coalesce(%(after_purchase_id)s, ''))
    ORDER BY purchases.purchased_at DESC, purchase_id DESC
    LIMIT %(limit)s::integer + 1
)
SELECT
    coalesce(
        json_agg(
            json_build_object(
                'purchase_id', purchase_id,
                'reservation_id', reservation_id,
                'status', status,
                'lines', read_v1.shown_lines(lines),
                'total', json_build_object('amount_minor', total_minor, 'currency', currency),
                'refunded', json_build_object('amount_minor', refunded_minor, 'currency', currency),
                'payment_intent_id', payment_intent_id,
                'purchased_at', purchased_at,
                'dispute', read_v1.shown_dispute(purchase_id),
                'stream_id', 'reservation-' || reservation_id,
                'stream_version', version
            )
            ORDER BY place
        ) FILTER (WHERE place <= %(limit)s),
        '[]'
    )::text AS items,
    CASE WHEN count(*) > %(limit)s THEN
        ARRAY[
            max(purchased_at) FILTER (WHERE place = %(limit)s),
            max(purchase_id) FILTER (WHERE place = %(limit)s)
        ]
    END AS last_key
FROM found
