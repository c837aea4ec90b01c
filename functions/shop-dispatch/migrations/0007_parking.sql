-- A parked record is replayed, which takes it off the list, or dropped, which keeps it with the reason.
ALTER TABLE shop.parked
    ADD COLUMN dropped_at timestamptz,
    ADD COLUMN reason text,
    ADD CHECK ((dropped_at IS NULL) = (reason IS NULL));

GRANT UPDATE, DELETE ON shop.parked TO shop_dispatch;
-- An event that the tables refuse leaves the log for shop.parked. There is no other reason to delete one.
GRANT DELETE ON shop.event_log TO shop_dispatch;
