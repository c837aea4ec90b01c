-- The customer's bank may dispute the charge of a purchase. Each dispute is one row; the purchase keeps its status.
LOCK TABLE read_v1.timeline IN ACCESS EXCLUSIVE MODE; -- as readers do: the view, then its tables

CREATE TABLE shop.dispute (
    reservation_id text COLLATE "C" NOT NULL,
    dispute_id text COLLATE "C" NOT NULL,
    status text NOT NULL CHECK (status IN ('inquiry', 'chargeback', 'won', 'lost', 'withdrawn')),
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (reservation_id, dispute_id)
) WITH (fillfactor = 90);

GRANT SELECT, INSERT, UPDATE ON shop.dispute TO shop_dispatch;

CREATE VIEW read_v1.disputes AS
SELECT
    reservation_id AS purchase_id,
    dispute_id,
    status,
    amount_minor,
    currency,
    reason,
    opened_at,
    CASE WHEN status NOT IN ('inquiry', 'chargeback') THEN closed_at END AS closed_at -- it may have been opened again
FROM shop.dispute;

-- The last dispute of a purchase as its customer sees it.
CREATE FUNCTION read_v1.shown_dispute(disputed text) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
    SELECT
        json_build_object(
            'dispute_id', dispute_id,
            'status', status,
            'amount', json_build_object('amount_minor', amount_minor, 'currency', currency),
            'reason', reason,
            'opened_at', to_char(opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'closed_at', to_char(closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        )
    FROM read_v1.disputes
    WHERE purchase_id = disputed
    ORDER BY opened_at DESC, dispute_id DESC
    LIMIT 1;
END;

CREATE OR REPLACE VIEW read_v1.timeline AS
SELECT
    reservation.reservation_id,
    reservation.customer_id,
    log.stream_version,
    CASE log.type
        WHEN 'shop.reservation.placed.v1' THEN 'placed'
        WHEN 'shop.reservation.cancelled.v1' THEN 'cancelled'
        WHEN 'shop.reservation.expired.v1' THEN 'expired'
        WHEN 'shop.payment.requested.v1' THEN 'payment-requested'
        WHEN 'shop.payment.action-required.v1' THEN 'payment-action-required'
        WHEN 'shop.payment.declined.v1' THEN 'payment-declined'
        WHEN 'shop.payment.refunded.v1' THEN 'payment-refunded'
        WHEN 'shop.purchase.confirmed.v1' THEN 'purchased'
        WHEN 'shop.purchase.refund-requested.v1' THEN 'refund-requested'
        WHEN 'shop.purchase.refund-requested.v2' THEN 'refund-requested'
        WHEN 'shop.purchase.refunded.v1' THEN 'refunded'
        WHEN 'shop.purchase.refunded.v2' THEN 'refunded'
        WHEN 'shop.purchase.refund-failed.v1' THEN 'refund-failed'
        WHEN 'shop.purchase.dispute-opened.v1' THEN 'dispute-opened'
        WHEN 'shop.purchase.dispute-closed.v1' THEN 'dispute-closed'
        ELSE 'other' -- a type of a later release, until a migration of that release names it
    END AS type,
    log.time
FROM shop.reservation
JOIN shop.event_log AS log
    ON log.stream_id = 'reservation-' || reservation.reservation_id AND log.stream_version <= reservation.version;

GRANT SELECT ON read_v1.disputes TO shop_query;
