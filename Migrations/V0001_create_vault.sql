-- The whole vault. docs/schema.md says what each column means; a landed migration never changes.
-- Times are milliseconds since 1970 (UTC) unless a column says otherwise. Every row that decides anything ends in
-- `leaf` (the audit leaf that names its present state) and `row_tag` (keyed hash of all its other columns).

CREATE TABLE schema_migrations (
    version    INTEGER PRIMARY KEY,
    checksum   BLOB    NOT NULL CHECK (length(checksum) = 32),
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE vault (
    id                  INTEGER PRIMARY KEY CHECK (id = 1),
    format              INTEGER NOT NULL,
    vault_id            BLOB    NOT NULL CHECK (length(vault_id) = 16),
    created_at          INTEGER NOT NULL,
    key_epoch           INTEGER NOT NULL,
    registry_revision   INTEGER NOT NULL,  -- goes up with every change to owners, clients, secrets and keys
    next_owner_id       INTEGER NOT NULL,
    next_grant_id       INTEGER NOT NULL,
    next_secret_id      INTEGER NOT NULL,
    next_key_id         INTEGER NOT NULL,
    heartbeat_at        INTEGER NOT NULL,  -- last sign of a serving process, on the wall clock
    heartbeat_monotonic INTEGER NOT NULL,  -- the same on the machine's monotonic clock
    outage              INTEGER NOT NULL,  -- milliseconds nobody served: serving clock = wall clock - outage
    row_tag             BLOB    NOT NULL
) STRICT;

CREATE TABLE keyslots (
    id         INTEGER PRIMARY KEY,
    slot_id    BLOB    NOT NULL UNIQUE CHECK (length(slot_id) = 16),
    kind       INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    parameters BLOB    NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL
) STRICT;

CREATE TABLE system_keys (
    id         INTEGER PRIMARY KEY,
    purpose    INTEGER NOT NULL,         -- 1 handles, 2 tags, 3 lookup, 4 rows, 5 log signing
    key_id     INTEGER NOT NULL,         -- the id that handles and tags carry
    state      INTEGER NOT NULL,         -- 1 current, 2 retired
    epoch      INTEGER NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL,
    UNIQUE (purpose, key_id)
) STRICT;

CREATE TABLE owners (
    id          INTEGER PRIMARY KEY,
    kind        INTEGER NOT NULL,        -- 1 system, 2 user, 3 client
    state       INTEGER NOT NULL,        -- 1 active, 2 disabled, 3 removed
    revocations INTEGER NOT NULL,        -- goes up to revoke every grant of this owner at once
    key_version INTEGER NOT NULL,
    key_epoch   INTEGER NOT NULL,
    wrapped_key BLOB,                    -- null once erased
    lookup_tag  BLOB UNIQUE,
    identity    BLOB,                    -- sealed
    pseudonym   BLOB,                    -- sealed
    created_at  INTEGER NOT NULL,
    leaf        INTEGER NOT NULL,
    row_tag     BLOB    NOT NULL
) STRICT;

CREATE TABLE clients (
    id           INTEGER PRIMARY KEY REFERENCES owners (id),
    name_tag     BLOB UNIQUE,
    registration TEXT    NOT NULL,       -- JSON, keys sorted
    leaf         INTEGER NOT NULL,
    row_tag      BLOB    NOT NULL
) STRICT;

CREATE TABLE client_secrets (
    id         INTEGER PRIMARY KEY,
    client_id  INTEGER NOT NULL REFERENCES clients (id),
    generation INTEGER NOT NULL,         -- 1 for the first secret of a client
    tag        BLOB    NOT NULL,
    tag_key_id INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    not_after  INTEGER,                  -- null: until replaced
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL
) STRICT;
CREATE INDEX client_secrets_by_client ON client_secrets (client_id);

CREATE TABLE grants (
    id                         INTEGER PRIMARY KEY,
    client_id                  INTEGER NOT NULL REFERENCES owners (id),
    owner_id                   INTEGER NOT NULL REFERENCES owners (id),
    owner_revocations          INTEGER NOT NULL,
    client_revocations         INTEGER NOT NULL,
    kind                       INTEGER NOT NULL,  -- 1 authorization code, 2 client credentials
    created_at                 INTEGER NOT NULL,
    absolute_expires_at        INTEGER NOT NULL,
    scope                      TEXT    NOT NULL,
    context                    BLOB,              -- sealed: redirect URI, code challenge, nonce, authentication time
    family_tag                 BLOB    NOT NULL,
    tag_key_id                 INTEGER NOT NULL,
    state                      INTEGER NOT NULL,  -- 1 live, 2 revoked
    generation                 INTEGER NOT NULL,
    idle_expires_at            INTEGER NOT NULL,  -- of the code, at generation 0
    swapped_at                 INTEGER NOT NULL,  -- on the serving clock
    credential_tag             BLOB,              -- of the code or refresh token of this generation
    previous_credential_tag    BLOB,
    access_scope               TEXT,
    access_audience            TEXT,
    access_issued_at           INTEGER,
    access_expires_at          INTEGER,
    access_tag                 BLOB,
    previous_access_scope      TEXT,
    previous_access_audience   TEXT,
    previous_access_issued_at  INTEGER,
    previous_access_expires_at INTEGER,
    previous_access_tag        BLOB,
    pair                       BLOB,              -- sealed: the current token pair
    expires_day                INTEGER NOT NULL,  -- day number after which the row is of no use
    first_used_at              INTEGER,           -- of the current pair; not part of the row hash in the log
    leaf                       INTEGER NOT NULL,
    row_tag                    BLOB    NOT NULL
) STRICT;
CREATE INDEX grants_by_expiry ON grants (expires_day);
CREATE INDEX grants_by_owner ON grants (owner_id);

CREATE TABLE audit_leaves (
    id    INTEGER PRIMARY KEY,           -- index in the tree, from 0
    bytes BLOB NOT NULL,
    hash  BLOB NOT NULL
) STRICT;

CREATE TABLE audit_tiles (
    id   INTEGER PRIMARY KEY,            -- n: the subtree over leaves 256 n ..< 256 (n + 1)
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE audit_head (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    size      INTEGER NOT NULL,
    root      BLOB    NOT NULL,
    edge      BLOB    NOT NULL,          -- roots of the perfect subtrees, largest first
    last_time INTEGER NOT NULL,          -- of the last leaf
    note      TEXT    NOT NULL           -- C2SP signed note over the checkpoint
) STRICT;

CREATE TABLE audit_personal (
    id       INTEGER PRIMARY KEY,        -- index of the leaf
    owner_id INTEGER NOT NULL REFERENCES owners (id),
    sealed   BLOB    NOT NULL            -- salt and data; the leaf holds SHA-256(salt || data)
) STRICT;

CREATE TABLE jobs (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    state    TEXT NOT NULL,
    progress TEXT NOT NULL
) STRICT;
