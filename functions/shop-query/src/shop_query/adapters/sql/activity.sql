-- The newest come first. One row more than the page is read, to know whether another page follows.
WITH found AS (
    SELECT
        stream_version, type, authtype, authid,
        to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time,
        row_number() OVER (ORDER BY stream_version DESC) AS place
    FROM read_v1.activity
    WHERE
        stream_id = %(stream_id)s
        AND stream_version < coalesce(%(after_stream_version)s::bigint, 2147483648)
    ORDER BY stream_version DESC
    LIMIT %(limit)s::integer + 1
)
SELECT
    coalesce(
        json_agg(
            json_build_object(
                'stream_version', stream_version,
                'type', type,
                'time', time,
                'authtype', authtype,
                'authid', authid
            )
            ORDER BY place
        ) FILTER (WHERE place <= %(limit)s),
        '[]'
    )::text AS items,
    CASE WHEN count(*) > %(limit)s THEN
        ARRAY[max(stream_version::text) FILTER (WHERE place = %(limit)s)]
    END AS last_key
FROM found
