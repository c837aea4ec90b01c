LOCK TABLE read_v1.purchases IN ACCESS EXCLUSIVE MODE; -- as readers do: the view, then its tables

-- A purchase is refunded in parts. Each refund is one row; the purchase's status becomes `refunded` with the last one.
CREATE TABLE shop.refund (
    reservation_id text COLLATE "C" NOT NULL,
    refund integer NOT NULL,
    refund_id text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    reason text,
    origin text NOT NULL CHECK (origin IN ('shop', 'provider')),
    refunded_at timestamptz NOT NULL,
    failed_at timestamptz, -- the money did not arrive after all
    PRIMARY KEY (reservation_id, refund)
) WITH (fillfactor = 90);

GRANT SELECT, INSERT, UPDATE ON shop.refund TO shop_dispatch;

-- Refunds of before this table: each gave everything back, and was the only one of its purchase.
INSERT INTO shop.refund (reservation_id, refund, refund_id, amount_minor, currency, reason, origin, refunded_at)
SELECT
    reservation.reservation_id,
    1,
    log.event::jsonb #>> '{data,refund_id}',
    reservation.total_minor,
    reservation.currency,
    log.event::jsonb #>> '{data,reason}',
    'shop',
    log.time
FROM shop.reservation
JOIN shop.event_log AS log
    ON log.stream_id = 'reservation-' || reservation.reservation_id AND log.stream_version <= reservation.version
WHERE log.type = 'shop.purchase.refunded.v1';

CREATE VIEW read_v1.refunds AS
SELECT reservation_id AS purchase_id, refund, refund_id, amount_minor, currency, reason, origin, refunded_at
FROM shop.refund
WHERE failed_at IS NULL;

CREATE OR REPLACE VIEW read_v1.purchases AS
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
    version,
    -- A subquery, not a join: for a page of purchases, PostgreSQL then reads the refunds of that page alone.
    (
        SELECT coalesce(sum(refund.amount_minor), 0)::bigint
        FROM shop.refund
        WHERE refund.reservation_id = reservation.reservation_id AND refund.failed_at IS NULL
    ) AS refunded_minor
FROM shop.reservation
WHERE purchased_at IS NOT NULL;

GRANT SELECT ON read_v1.refunds TO shop_query;
