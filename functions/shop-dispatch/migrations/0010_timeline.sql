-- The timeline names the moment at which the customer was asked for 3-D Secure, and refunds in parts.
LOCK TABLE read_v1.timeline IN ACCESS EXCLUSIVE MODE;

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
        ELSE 'other' -- a type of a later release, until a migration of that release names it
    END AS type,
    log.time
FROM shop.reservation
JOIN shop.event_log AS log
    ON log.stream_id = 'reservation-' || reservation.reservation_id AND log.stream_version <= reservation.version;
