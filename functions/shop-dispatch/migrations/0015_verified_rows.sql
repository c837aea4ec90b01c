-- What an audit compares of the log without its content: how far each stream is applied, and each event's bytes.
CREATE VIEW read_v1.heads AS
SELECT stream_id, stream_version
FROM shop.stream_head
WHERE stream_version > 0; -- a new stream's row comes before its first event

CREATE VIEW read_v1.event_digests AS
SELECT stream_id, stream_version, left(encode(sha256(convert_to(event, 'UTF8')), 'hex'), 32) AS digest
FROM shop.event_log;

GRANT SELECT ON read_v1.heads, read_v1.event_digests TO shop_query;
