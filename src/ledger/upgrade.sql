-- From format 1 to format 2: what collecting needs. New columns stand last in their tables, as in schema.sql.

ALTER TABLE rows ADD COLUMN due_at INTEGER;
ALTER TABLE rows ADD COLUMN doubt_since INTEGER;
ALTER TABLE rows ADD COLUMN doubt_looks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rows ADD COLUMN video_bytes INTEGER;
ALTER TABLE rows ADD COLUMN video_sha256 BLOB;
ALTER TABLE rows ADD COLUMN edited_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN announced TEXT;
ALTER TABLE attempts ADD COLUMN ended TEXT;
ALTER TABLE attempts ADD COLUMN credits REAL;
ALTER TABLE runs ADD COLUMN balance_before REAL;
ALTER TABLE runs ADD COLUMN balance_after REAL;

CREATE INDEX rows_to_look_at ON rows (due_at) WHERE due_at IS NOT NULL AND state <> 'succeeded';
CREATE INDEX rows_to_save ON rows (due_at) WHERE due_at IS NOT NULL AND state = 'succeeded';
CREATE INDEX manifest_by_row ON manifest (row_id) WHERE row_id IS NOT NULL;

CREATE TABLE uploads (
    sha256      BLOB PRIMARY KEY,
    url         TEXT NOT NULL,
    uploaded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
    path        TEXT PRIMARY KEY,            -- absolute
    bytes       INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,            -- nanoseconds since 1970
    changed_ns  INTEGER NOT NULL,
    inode       INTEGER NOT NULL,
    sha256      BLOB NOT NULL,               -- 32 bytes
    kind        TEXT NOT NULL,
    width       INTEGER,
    height      INTEGER
) STRICT, WITHOUT ROWID;
