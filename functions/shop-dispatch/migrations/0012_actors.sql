-- Every stream's events with who brought them about, as far as they are applied. It is for administrators alone: what
-- customers see of their own streams is read_v1.timeline, which names nobody.
CREATE VIEW read_v1.activity AS
SELECT
    log.stream_id,
    log.stream_version,
    log.type,
    log.time,
    log.event::jsonb ->> 'authtype' AS authtype,
    log.event::jsonb ->> 'authid' AS authid
FROM shop.stream_head AS head
JOIN shop.event_log AS log ON log.stream_id = head.stream_id AND log.stream_version <= head.stream_version;

GRANT SELECT ON read_v1.activity TO shop_query;

-- Who took the record off the list.
ALTER TABLE shop.parked ADD COLUMN dropped_by text;
