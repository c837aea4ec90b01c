-- The stream as it arrived, and how far each stream of events has been applied.
-- Ids are compared as bytes (COLLATE "C"): cheaper in an index, and the same order on every server.
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO shop_dispatch;

-- Every event once. A row above its stream's head is held back: it waits for a missing version.
-- No foreign keys anywhere: streams arrive in no order relative to each other.
CREATE TABLE shop.event_log (
    stream_id text COLLATE "C" NOT NULL,
    stream_version integer NOT NULL CHECK (stream_version > 0),
    event_id uuid NOT NULL,
    type text NOT NULL,
    time timestamptz NOT NULL,
    event text NOT NULL, -- the record as it was, to rebuild from; jsonb would parse it for nobody
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream_id, stream_version)
);

-- The version up to which a stream is applied. Whoever holds this row's lock may write what the stream feeds.
CREATE TABLE shop.stream_head (
    stream_id text COLLATE "C" PRIMARY KEY,
    stream_version integer NOT NULL CHECK (stream_version >= 0)
) WITH (fillfactor = 70);

-- Records that cannot be read. parked_id is a digest of the payload: redelivery parks nothing twice.
CREATE TABLE shop.parked (
    parked_id text COLLATE "C" PRIMARY KEY,
    payload bytea NOT NULL,
    cause text NOT NULL,
    stream_id text,
    stream_version integer,
    received_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT ON shop.event_log, shop.parked TO shop_dispatch;
GRANT SELECT, INSERT, UPDATE ON shop.stream_head TO shop_dispatch;
