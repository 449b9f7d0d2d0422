-- Secrets, each sealed by the data key, and that by a master key which is not here. There is one data key at most; its
-- revision goes up with every change of the secrets.
CREATE TABLE secret_keys (
    id         TEXT PRIMARY KEY,
    revision   INTEGER NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE secrets (
    name       TEXT PRIMARY KEY,
    key        TEXT NOT NULL REFERENCES secret_keys (id),
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;
