-- What the engine needs to go on after its process died: the workflow's text, who drives an execution, elements of a
-- forEach as task runs of their own, due times, files.
CREATE TABLE workflow_sources (
    key    INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    text   TEXT NOT NULL
);

CREATE TABLE owners (
    id         TEXT PRIMARY KEY,
    host       TEXT NOT NULL,
    process    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

ALTER TABLE executions ADD COLUMN source INTEGER REFERENCES workflow_sources (key);
ALTER TABLE executions ADD COLUMN source_name TEXT;
ALTER TABLE executions ADD COLUMN base TEXT;
ALTER TABLE executions ADD COLUMN owner TEXT;
ALTER TABLE executions ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN cancel_by TEXT;
ALTER TABLE executions ADD COLUMN parent TEXT;
ALTER TABLE executions ADD COLUMN parent_position INTEGER;
ALTER TABLE executions ADD COLUMN parent_item INTEGER;
ALTER TABLE executions ADD COLUMN parent_task TEXT;
ALTER TABLE executions ADD COLUMN retry_of TEXT;
CREATE INDEX executions_by_parent ON executions (parent) WHERE parent IS NOT NULL;
CREATE INDEX executions_by_retry ON executions (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX executions_that_go_on ON executions (owner) WHERE ended_at IS NULL;

-- item: the element of a forEach, -1 the task itself.
CREATE TABLE task_runs_with_items (
    execution  INTEGER NOT NULL REFERENCES executions (key),
    position   INTEGER NOT NULL,
    item       INTEGER NOT NULL,
    task       TEXT NOT NULL,
    action     TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT,
    message    TEXT,
    needs      TEXT NOT NULL,
    inputs     TEXT,
    output     TEXT,
    due_at     INTEGER,
    started_at INTEGER,
    ended_at   INTEGER,
    PRIMARY KEY (execution, position, item)
) WITHOUT ROWID;
INSERT INTO task_runs_with_items
SELECT execution, position, -1, task, action, state, reason, message, needs, inputs, output, NULL, started_at, ended_at
FROM task_runs;

CREATE TABLE attempts_with_items (
    execution       INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    item            INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    digest          BLOB,
    error_code      TEXT,
    error_message   TEXT,
    error_retryable INTEGER,
    error_details   TEXT,
    fuel            INTEGER,
    peak_memory     INTEGER,
    cpu_ms          REAL,
    log_bytes       INTEGER,
    bytes_in        INTEGER,
    bytes_out       INTEGER,
    PRIMARY KEY (execution, position, item, attempt)
) WITHOUT ROWID;
INSERT INTO attempts_with_items
SELECT execution, position, -1, attempt, started_at, ended_at, digest, error_code, error_message, error_retryable,
       error_details, fuel, peak_memory, cpu_ms, log_bytes, bytes_in, bytes_out
FROM attempts;

DROP TABLE attempts;
DROP TABLE task_runs;
ALTER TABLE task_runs_with_items RENAME TO task_runs;
ALTER TABLE attempts_with_items RENAME TO attempts;

CREATE TABLE files (
    execution INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    item      INTEGER NOT NULL,
    name      TEXT NOT NULL,
    digest    BLOB NOT NULL,
    size      INTEGER NOT NULL,
    PRIMARY KEY (execution, position, item, name)
) WITHOUT ROWID;
CREATE INDEX files_by_digest ON files (digest);
