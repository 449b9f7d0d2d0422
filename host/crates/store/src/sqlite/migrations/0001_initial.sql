-- Integer keys inside, text ids at the border; times are milliseconds since 1970 UTC.
CREATE TABLE migrations (
    version INTEGER PRIMARY KEY,
    digest  TEXT NOT NULL
);

CREATE TABLE executions (
    key        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    workflow   TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT,
    message    TEXT,
    trigger    TEXT NOT NULL,
    inputs     TEXT NOT NULL,
    outputs    TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at   INTEGER
);
CREATE INDEX executions_by_workflow ON executions (workflow, id);
CREATE INDEX executions_by_state ON executions (state, id);

CREATE TABLE task_runs (
    execution  INTEGER NOT NULL REFERENCES executions (key),
    position   INTEGER NOT NULL,
    task       TEXT NOT NULL,
    action     TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT,
    message    TEXT,
    needs      TEXT NOT NULL,
    inputs     TEXT,
    output     TEXT,
    started_at INTEGER,
    ended_at   INTEGER,
    PRIMARY KEY (execution, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX task_runs_by_task ON task_runs (execution, task);

CREATE TABLE attempts (
    execution       INTEGER NOT NULL,
    position        INTEGER NOT NULL,
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
    PRIMARY KEY (execution, position, attempt),
    FOREIGN KEY (execution, position) REFERENCES task_runs (execution, position)
) WITHOUT ROWID;

-- source: 0 scheduler, 1 worker, 2 system, 3 plugin; level: 0 DEBUG, 1 INFO, 2 WARN, 3 ERROR.
CREATE TABLE logs (
    key       INTEGER PRIMARY KEY,
    execution INTEGER,
    task      TEXT,
    attempt   INTEGER,
    at        INTEGER NOT NULL,
    level     INTEGER NOT NULL,
    source    INTEGER NOT NULL,
    message   TEXT NOT NULL,
    metadata  TEXT
);
CREATE INDEX logs_by_execution ON logs (execution);
CREATE INDEX logs_by_time ON logs (at);
CREATE INDEX logs_by_level ON logs (level, at) WHERE level >= 2;

-- Kept when its execution is deleted, so it names the id itself.
CREATE TABLE audit_events (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    execution     TEXT NOT NULL,
    task          TEXT,
    at            INTEGER NOT NULL,
    type          TEXT NOT NULL,
    metadata      TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash          BLOB NOT NULL
);
CREATE INDEX audit_events_by_execution ON audit_events (execution, sequence);

CREATE TRIGGER audit_events_are_not_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events cannot be changed');
END;
CREATE TRIGGER audit_events_are_not_deleted BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events cannot be deleted');
END;

CREATE TABLE plugin_state (
    workflow TEXT NOT NULL,
    plugin   TEXT NOT NULL,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (workflow, plugin, key)
) WITHOUT ROWID;
