SELECT key
FROM read_v1.cursor_key
