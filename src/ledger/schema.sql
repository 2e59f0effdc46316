-- Format 2 of the ledger (upgrade.sql makes it of format 1). Times are milliseconds since 1970 in UTC, money is in credits.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is known of each row that was ever valid. Rows stay when the manifest no longer has them.
CREATE TABLE rows (
    row_id        INTEGER PRIMARY KEY,
    key           BLOB NOT NULL UNIQUE,      -- 16 bytes: hash of the id, or of the content and a counter
    content       BLOB NOT NULL,             -- 16 bytes: hash of what is sent
    id            TEXT,                      -- the manifest's own id; NULL: known by content
    submission    TEXT NOT NULL,             -- JSON: what is sent
    state         TEXT NOT NULL,
    tries         INTEGER NOT NULL DEFAULT 0, -- failures by the row's own trouble
    attempts      INTEGER NOT NULL DEFAULT 0, -- requests made for it in all
    task_id       TEXT,
    error_code    TEXT,
    error_message TEXT,
    submitted_at  INTEGER,
    completed_at  INTEGER,
    credits       REAL,
    video_url     TEXT,
    video_file    TEXT,
    due_at        INTEGER,                   -- accepted: when to look at the task next; succeeded: when to fetch its video
    doubt_since   INTEGER,                   -- since when looks bring no record, or a success without a video
    doubt_looks   INTEGER NOT NULL DEFAULT 0, -- and how many did
    video_bytes   INTEGER,
    video_sha256  BLOB,                      -- 32 bytes
    edited_after  INTEGER NOT NULL DEFAULT 0  -- attempts up to this number were made for other content
) STRICT;

-- Finds a paid row again when its manifest gains or loses the id column.
CREATE INDEX rows_by_content ON rows (content);

-- What the collector does next. An announced task of a row that is not accepted is looked at, too.
CREATE INDEX rows_to_look_at ON rows (due_at) WHERE due_at IS NOT NULL AND state <> 'succeeded';
CREATE INDEX rows_to_save ON rows (due_at) WHERE due_at IS NOT NULL AND state = 'succeeded';

-- The manifest as it was last read, in its order.
CREATE TABLE manifest (
    number  INTEGER PRIMARY KEY,             -- place in the manifest, from 1
    line    INTEGER NOT NULL,                -- line of the file, from 1
    row_id  INTEGER,                         -- NULL: invalid
    cells   TEXT NOT NULL,                   -- JSON: array (CSV, TSV) or object (JSONL) as the user wrote it
    problem TEXT                             -- why it is invalid
) STRICT;

CREATE INDEX manifest_by_row ON manifest (row_id) WHERE row_id IS NOT NULL;

-- Every request ever made, kept so that a question to support can be answered.
CREATE TABLE attempts (
    attempt_id  INTEGER PRIMARY KEY,
    row_id      INTEGER NOT NULL,
    run_id      INTEGER NOT NULL,
    token       BLOB NOT NULL,               -- 16 bytes
    cost        REAL,                        -- NULL: the price is unknown
    began_at    INTEGER NOT NULL,            -- intent committed; nothing was sent before
    answered_at INTEGER,
    result      TEXT,                        -- accepted, again, rejected, unknown; NULL while in flight
    http_status INTEGER,
    code        TEXT,
    message     TEXT,
    task_id     TEXT,
    pause_until INTEGER,                     -- until when this answer made everyone wait
    announced   TEXT,                        -- task id that a callback named for this attempt
    ended       TEXT,                        -- succeeded, failed; NULL while its task is not known to have ended
    credits     REAL                         -- what the API says the task consumed
) STRICT;

CREATE INDEX attempts_by_row ON attempts (row_id);

CREATE TABLE runs (
    run_id         INTEGER PRIMARY KEY,
    started_at     INTEGER NOT NULL,
    ended_at       INTEGER,
    pid            INTEGER NOT NULL,
    host           TEXT NOT NULL,
    version        TEXT NOT NULL,
    target         TEXT NOT NULL,            -- base URL of its requests
    halted_code    TEXT,
    halted_message TEXT,
    balance_before REAL,                     -- of the account, in credits
    balance_after  REAL
) STRICT;

-- Local images that the API's file host has, by content.
CREATE TABLE uploads (
    sha256      BLOB PRIMARY KEY,            -- 32 bytes
    url         TEXT NOT NULL,
    uploaded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is known of local image files, so that they are not read anew each time.
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
