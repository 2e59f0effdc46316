-- What an import needs while it runs; none of it is in the file. See import.rs.

-- Records that a row of the manifest has under its own key, with its own content.
CREATE TEMP TABLE IF NOT EXISTS claimed (row_id INTEGER PRIMARY KEY);

-- Records that were sent once and that nobody has claimed.
CREATE TEMP TABLE IF NOT EXISTS unclaimed (row_id INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS temp.unclaimed_by_content ON unclaimed (content);

-- Rows of the manifest without a record yet.
CREATE TEMP TABLE IF NOT EXISTS open_rows (
    number     INTEGER PRIMARY KEY,
    line       INTEGER NOT NULL,
    id         TEXT,
    key        BLOB NOT NULL,
    content    BLOB,
    submission TEXT,                         -- NULL: invalid
    state      TEXT,                         -- what a results file says of it
    task_id    TEXT
);

DELETE FROM claimed;
DELETE FROM unclaimed;
DELETE FROM open_rows;
