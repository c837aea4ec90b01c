-- The owner is part of the key: another customer's purchase is not found.
SELECT
    json_build_object(
        'purchase_id', purchase_id,
        'reservation_id', reservation_id,
        'status', status,
        'lines', read_v1.shown_lines(lines),
        'total', json_build_object('amount_minor', total_minor, 'currency', currency),
        'refunded', json_build_object('amount_minor', refunded_minor, 'currency', currency),
        'payment_intent_id', payment_intent_id,
        'purchased_at', to_char(purchased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'stream_id', 'reservation-' || reservation_id,
        'stream_version', version,
        'dispute', read_v1.shown_dispute(purchase_id),
        'refunds', (
            SELECT
                coalesce(
                    json_agg(
                        json_build_object(
                            'refund_id', refund_id,
                            'amount', json_build_object('amount_minor', amount_minor, 'currency', refunds.currency),
                            'reason', reason,
                            'origin', origin,
                            'refunded_at', to_char(refunded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                        )
                        ORDER BY refund
                    ),
                    '[]'
                )
            FROM read_v1.refunds
            WHERE refunds.purchase_id = purchases.purchase_id
        ),
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
            WHERE timeline.reservation_id = purchases.reservation_id AND timeline.customer_id = %(customer_id)s
        )
    )::text AS document,
    version
FROM read_v1.purchases
WHERE purchase_id = %(purchase_id)s AND customer_id = %(customer_id)s
