-- The heads of the audit trail: each vouches, by a key that is not in this database, for the events up to one of them.
-- The newest is moved on with every transaction that writes events. There is more than one only where a key was lost, or
-- a head was not as it had been left.
CREATE TABLE audit_heads (
    number        INTEGER PRIMARY KEY,
    key           BLOB NOT NULL,
    from_sequence INTEGER NOT NULL,
    from_events   INTEGER NOT NULL,
    from_hash     BLOB NOT NULL,
    sequence      INTEGER NOT NULL,
    events        INTEGER NOT NULL,
    hash          BLOB NOT NULL,
    mac           BLOB NOT NULL
);

-- What the trail is searched by across executions. Nearly all events are STATE_CHANGE: those are found by reading on.
CREATE INDEX audit_events_by_time ON audit_events (at);
CREATE INDEX audit_events_by_type ON audit_events (type) WHERE type <> 'STATE_CHANGE';
