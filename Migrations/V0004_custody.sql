-- What keys and the log need over the years: rotation, recovery, anchors, backups.
-- docs/schema.md says what each column means; a landed migration never changes.

CREATE TABLE keyslot_details (
    id        INTEGER PRIMARY KEY REFERENCES keyslots (id),
    name      TEXT    NOT NULL UNIQUE,
    held      BLOB,                      -- the key of the slot wrapped under the root key, so that a rotation can wrap anew
    epoch     INTEGER NOT NULL,          -- of the root key that wraps `held`
    proved_at INTEGER NOT NULL,          -- the last time somebody opened the slot
    leaf      INTEGER NOT NULL,
    row_tag   BLOB    NOT NULL
) STRICT;

CREATE TABLE retired_roots (
    id         INTEGER PRIMARY KEY,      -- the epoch of the root key inside
    epoch      INTEGER NOT NULL,         -- of the root key that wraps it
    wrapped    BLOB    NOT NULL,
    retired_at INTEGER NOT NULL,
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL
) STRICT;

CREATE TABLE previous_owner_keys (
    id          INTEGER PRIMARY KEY REFERENCES owners (id),
    key_version INTEGER NOT NULL,
    key_epoch   INTEGER NOT NULL,
    wrapped_key BLOB    NOT NULL,
    leaf        INTEGER NOT NULL,
    row_tag     BLOB    NOT NULL
) STRICT;

CREATE TABLE anchors (
    id         INTEGER PRIMARY KEY,
    kind       TEXT    NOT NULL,         -- file, syslog, exec, witness
    target     TEXT    NOT NULL,
    parameters TEXT    NOT NULL,         -- JSON, keys sorted
    created_at INTEGER NOT NULL,
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL
) STRICT;

-- Upkeep without a leaf: how far each anchor was told.
CREATE TABLE anchor_progress (
    id          INTEGER PRIMARY KEY REFERENCES anchors (id) ON DELETE CASCADE,
    size        INTEGER NOT NULL,        -- of the newest checkpoint it took
    anchored_at INTEGER NOT NULL,
    failures    INTEGER NOT NULL,        -- in a row
    trouble     TEXT                     -- a word of our own for the last one
) STRICT;

CREATE TABLE log_epochs (
    id         INTEGER PRIMARY KEY,      -- drawn from the counter of keys
    public_key BLOB    NOT NULL CHECK (length(public_key) = 32),  -- Ed25519; the private half is in one process's memory
    first_leaf INTEGER NOT NULL,         -- the entry that announces it
    state      INTEGER NOT NULL,         -- 1 signing, 2 ended
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL
) STRICT;

CREATE TABLE incarnations (
    id          INTEGER PRIMARY KEY,     -- from 2: the first has no row
    parent_size INTEGER NOT NULL,        -- of the log that it goes on from
    parent_root BLOB    NOT NULL,
    restored_at INTEGER NOT NULL,
    leaf        INTEGER NOT NULL,
    row_tag     BLOB    NOT NULL
) STRICT;

CREATE TABLE backups (
    id         INTEGER PRIMARY KEY,      -- drawn from the counter of keys
    backup_id  BLOB    NOT NULL UNIQUE CHECK (length(backup_id) = 16),
    log_size   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    keep_until INTEGER,                  -- null: nobody said when it will be destroyed
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL
) STRICT;
