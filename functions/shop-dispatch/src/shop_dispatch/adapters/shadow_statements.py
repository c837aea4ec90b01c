"""A rebuild executes this SQL. Some of it reads PostgreSQL's catalogue and returns the statements that make the tables
like the live ones, so names, constraints, indexes and rights stay as the migrations made them.

`shop_rebuild` has the new tables and the progress of the rebuild, and `read_rebuild` the views of these tables, for an
audit; `shop_before` has the old tables after the swap.
"""

from typing import Final

CLAIM: Final = "SELECT pg_try_advisory_lock(%s)"
LET_GO: Final = "SELECT pg_advisory_unlock(%s)"

SCHEMAS: Final = "SELECT to_regnamespace('shop_rebuild') IS NOT NULL, to_regnamespace('shop_before') IS NOT NULL"
RELEASE: Final = "SELECT concat(%s::text, ' ', (SELECT max(name) FROM migration.applied))"
PROGRESS: Final = """
SELECT phase, source, events, total, unreadable, (SELECT count(*) FROM shop_rebuild.noted), started_at, checkpoint,
    release = %s
FROM shop_rebuild.progress
"""

# An estimate is enough for a progress bar where counting a large log would take long.
LIVE_EVENTS: Final = """
SELECT CASE WHEN reltuples < 1e6 THEN (SELECT count(*) FROM shop.event_log) ELSE reltuples::bigint END
FROM pg_class WHERE oid = 'shop.event_log'::regclass
"""
MAKE_SCHEMA: Final = """
CREATE SCHEMA shop_rebuild;
CREATE TABLE shop_rebuild.progress (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    source text NOT NULL,
    phase text NOT NULL,
    release text NOT NULL,
    total bigint NOT NULL,
    events bigint NOT NULL DEFAULT 0,
    unreadable bigint NOT NULL DEFAULT 0,
    checkpoint jsonb,
    started_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE shop_rebuild.noted (stream_id text COLLATE "C" NOT NULL, stream_version integer NOT NULL);
CREATE FUNCTION shop_rebuild.note() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER -- the roles that add to the log may not write here
SET search_path = ''
AS $$
BEGIN
    INSERT INTO shop_rebuild.noted SELECT stream_id, stream_version FROM added;
    RETURN NULL;
END
$$
"""
# A note becomes visible with its event, so no event is missed, whatever the order of commits. Making the trigger waits
# for those who are adding to the log, so an event without a note was there before.
MAKE_TRIGGER: Final = """
CREATE TRIGGER note_for_rebuild AFTER INSERT ON shop.event_log REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION shop_rebuild.note()
"""
BEGIN: Final = "INSERT INTO shop_rebuild.progress (source, phase, release, total) VALUES (%s, %s, %s, %s)"

TABLES_THERE: Final = """
SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relname = ANY (%s::text[])
"""
MAKE_TABLES: Final = """
SELECT format('CREATE TABLE shop_rebuild.%%1$I (LIKE shop.%%1$I INCLUDING ALL EXCLUDING INDEXES)', relname)
    || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '')
FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relname = ANY (%s::text[])
"""
# The projection needs these keys from the beginning.
MAKE_KEYS: Final = """
SELECT format('ALTER TABLE shop_rebuild.%%I ADD CONSTRAINT %%I %%s', relname, conname, pg_get_constraintdef(c.oid))
FROM pg_constraint AS c JOIN pg_class ON pg_class.oid = conrelid
WHERE relnamespace = 'shop'::regnamespace AND relname = ANY (%s::text[]) AND contype IN ('p', 'u', 'x')
"""
GRANT: Final = """
SELECT format(
    'GRANT %%s%%s ON shop_rebuild.%%I TO %%s%%s', privilege_type, columns, relname,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
)
FROM (
    SELECT relnamespace, relname, relowner, '' AS columns, relacl AS rights FROM pg_class
    UNION ALL
    SELECT relnamespace, relname, relowner, format(' (%%I)', attname), attacl
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
) AS granted, aclexplode(rights)
WHERE relnamespace = 'shop'::regnamespace AND relname = ANY (%s::text[]) AND grantee <> relowner
"""
# The views are those of `read_v1`. A type of events, such as 'shop.product.listed.v1', is no name of a table.
MAKE_SCHEMA_OF_VIEWS: Final = "CREATE SCHEMA read_rebuild"
MAKE_VIEWS: Final = """
SELECT DISTINCT format('CREATE VIEW read_rebuild.%%I AS %%s', v.relname, regexp_replace(
    pg_get_viewdef(v.oid), format('\\mshop\\.(%%s)\\M(?!\\.)', array_to_string(tables, '|')), 'shop_rebuild.\\1', 'g'
))
FROM (SELECT %s::text[]) AS asked (tables)
JOIN pg_class AS live ON live.relnamespace = 'shop'::regnamespace AND live.relname = ANY (tables)
JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = live.oid AND classid = 'pg_rewrite'::regclass
JOIN pg_rewrite ON pg_rewrite.oid = objid
JOIN pg_class AS v ON v.oid = ev_class
WHERE v.relnamespace = 'read_v1'::regnamespace AND v.relkind = 'v'
"""
GRANT_VIEWS: Final = """
GRANT USAGE ON SCHEMA read_rebuild TO shop_query;
GRANT SELECT ON ALL TABLES IN SCHEMA read_rebuild TO shop_query
"""
DROP_VIEWS: Final = "DROP SCHEMA IF EXISTS read_rebuild CASCADE"
# The other indexes are built once the tables are full, which is faster than row by row.
NEXT_INDEX: Final = """
SELECT regexp_replace(pg_get_indexdef(indexrelid), ' ON shop\\.', ' ON shop_rebuild.')
FROM pg_index
JOIN pg_class AS live ON live.oid = indexrelid
JOIN pg_class AS owner ON owner.oid = indrelid
WHERE live.relnamespace = 'shop'::regnamespace AND owner.relname = ANY (%s::text[])
    AND NOT EXISTS (
        SELECT FROM pg_class AS made
        WHERE made.relnamespace = 'shop_rebuild'::regnamespace AND made.relname = live.relname
    )
ORDER BY live.relname
LIMIT 1
"""

TIDY: Final = "SELECT format('VACUUM (ANALYZE) shop_rebuild.%%I', name) FROM unnest(%s::text[]) AS name"

LOADED: Final = """
UPDATE shop_rebuild.progress SET checkpoint = %s, events = events + %s, unreadable = unreadable + %s
"""
ENTER: Final = "UPDATE shop_rebuild.progress SET phase = %s"

TAKE_NOTED: Final = """
WITH taken AS (
    DELETE FROM shop_rebuild.noted WHERE ctid = ANY (ARRAY(SELECT ctid FROM shop_rebuild.noted LIMIT %s))
    RETURNING stream_id, stream_version
)
SELECT log.event FROM taken LEFT JOIN shop.event_log AS log USING (stream_id, stream_version)
"""
NOTE_WHAT_IS_LATE: Final = """
INSERT INTO shop_rebuild.noted
SELECT live.stream_id, live.stream_version
FROM shop.event_log AS live, shop_rebuild.progress
WHERE live.received_at > progress.started_at - %s::interval AND NOT EXISTS (
    SELECT FROM shop_rebuild.event_log AS made
    WHERE made.stream_id = live.stream_id AND made.stream_version = live.stream_version
)
"""
MISSING: Final = """
SELECT
    count(*) FILTER (WHERE made.event_id IS NULL),
    min(live.stream_id || ', version ' || live.stream_version) FILTER (WHERE made.event_id IS NULL),
    count(made.event_id),
    min(live.stream_id || ', version ' || live.stream_version) FILTER (WHERE made.event_id IS NOT NULL)
FROM shop.event_log AS live
LEFT JOIN shop_rebuild.event_log AS made
    ON made.stream_id = live.stream_id AND made.stream_version = live.stream_version
WHERE made.event_id IS DISTINCT FROM live.event_id
    AND NOT EXISTS (
        SELECT FROM shop_rebuild.noted
        WHERE noted.stream_id = live.stream_id AND noted.stream_version = live.stream_version
    )
"""
BEHIND: Final = """
SELECT count(*), min(live.stream_id || ' at version ' || live.stream_version)
FROM shop.stream_head AS live LEFT JOIN shop_rebuild.stream_head AS made USING (stream_id)
WHERE live.stream_version > coalesce(made.stream_version, 0)
    AND NOT EXISTS (SELECT FROM shop_rebuild.noted WHERE noted.stream_id = live.stream_id)
"""

# Every projection begins with the heads, so locking them holds all. The locks are in the order of a projection's own.
HOLD_PROJECTIONS: Final = """
LOCK TABLE shop.stream_head IN ACCESS EXCLUSIVE MODE;
LOCK TABLE shop.event_log IN SHARE ROW EXCLUSIVE MODE
"""
# This lock keeps only a vacuum of the live tables away. An automatic vacuum is cancelled when somebody waits for it for
# a second, and the swap itself does not wait that long.
HOLD_VACUUMS: Final = """
SELECT format('LOCK TABLE %%s IN SHARE UPDATE EXCLUSIVE MODE', string_agg(format('shop.%%I', name), ', '))
FROM unnest(%s::text[]) AS name
"""
# Views are found by PostgreSQL's dependencies and not by schema, so that no view of a later version is forgotten.
VIEWS: Final = """
SELECT DISTINCT format('%%I.%%I', nspname, v.relname),
    format(
        'CREATE OR REPLACE VIEW %%I.%%I%%s AS %%s', nspname, v.relname,
        coalesce(' WITH (' || array_to_string(v.reloptions, ', ') || ')', ''), pg_get_viewdef(v.oid)
    )
FROM pg_depend
JOIN pg_rewrite ON pg_rewrite.oid = objid
JOIN pg_class AS v ON v.oid = ev_class
JOIN pg_namespace ON pg_namespace.oid = v.relnamespace
JOIN pg_class AS live ON live.oid = refobjid
WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass
    AND live.relnamespace = 'shop'::regnamespace AND live.relname = ANY (%s::text[]) AND v.relkind = 'v'
ORDER BY 1
"""
LOCK: Final = "SELECT format('LOCK TABLE %%s IN ACCESS EXCLUSIVE MODE', array_to_string(%s::text[], ', '))"
TAKE_TRIGGER_AWAY: Final = "DROP TRIGGER note_for_rebuild ON shop.event_log"
MOVE: Final = """
SELECT format('ALTER TABLE %%I.%%I SET SCHEMA %%I', move.old, name, move.new)
FROM (VALUES (1, 'shop', 'shop_before'), (2, 'shop_rebuild', 'shop')) AS move (step, old, new),
    unnest(%s::text[]) AS name
ORDER BY step
"""
# CASCADE would also drop what somebody else has made to depend on the tables, so it is not used.
DROP_OLD: Final = """
SELECT format('DROP TABLE shop_before.%I', relname)
FROM pg_class WHERE relnamespace = to_regnamespace('shop_before') AND relkind = 'r'
"""
DROP_SCHEMA_OF_OLD: Final = "DROP SCHEMA shop_before"
MAKE_SCHEMA_OF_OLD: Final = "CREATE SCHEMA shop_before"
DROP_REBUILD: Final = "DROP SCHEMA shop_rebuild CASCADE"
