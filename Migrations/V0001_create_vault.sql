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
    registry_revision   INTEGER NOT NULL,  -- how often the registry was changed; `stamp` decides
    next_owner_id       INTEGER NOT NULL,
    next_grant_id       INTEGER NOT NULL,
    next_secret_id      INTEGER NOT NULL,
    next_key_id         INTEGER NOT NULL,
    heartbeat_at        INTEGER NOT NULL,  -- last sign of a serving process, on the wall clock
    heartbeat_monotonic INTEGER NOT NULL,  -- the same on a monotonic clock
    heartbeat_clock     TEXT    NOT NULL,  -- which: a boot of the machine
    outage              INTEGER NOT NULL,  -- milliseconds nobody served: serving clock = wall clock - outage
    stamp               BLOB    NOT NULL CHECK (length(stamp) = 16),          -- another one with every such change
    registry_hash       BLOB    NOT NULL CHECK (length(registry_hash) = 32),  -- of the rows of the registry
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
    role       INTEGER NOT NULL,         -- 0 the root key is inside, else the key of 1 issuer, 2 keeper, 3 custody
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL
) STRICT;

CREATE TABLE role_keys (
    id            INTEGER PRIMARY KEY,
    role          INTEGER NOT NULL,      -- 0 common, 1 issuer, 2 keeper, 3 custody
    epoch         INTEGER NOT NULL,      -- of this key, from 1
    wrapper       INTEGER NOT NULL,      -- 0 the root key wraps it, else the key of this role
    wrapper_epoch INTEGER NOT NULL,
    state         INTEGER NOT NULL,      -- 1 current, 2 retired: while a rotation runs
    wrapped       BLOB    NOT NULL,
    created_at    INTEGER NOT NULL,
    leaf          INTEGER NOT NULL,
    row_tag       BLOB    NOT NULL,
    UNIQUE (role, epoch, wrapper)
) STRICT;

CREATE TABLE system_keys (
    id         INTEGER PRIMARY KEY,
    purpose    INTEGER NOT NULL,         -- 1 handles, 2 tags, 3 lookup, 4 rows, 5 log signing, 6 set of rows
    key_id     INTEGER NOT NULL,         -- the id that handles and tags carry
    state      INTEGER NOT NULL,         -- 1 current, 2 retired
    epoch      INTEGER NOT NULL,         -- of the role's key that wraps it
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    role       INTEGER NOT NULL,         -- 0 common, 1 issuer, 2 keeper, 3 custody
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL,
    UNIQUE (role, purpose, key_id)
) STRICT;

CREATE TABLE owners (
    id          INTEGER PRIMARY KEY,
    kind        INTEGER NOT NULL,        -- 1 system, 2 user, 3 client
    state       INTEGER NOT NULL,        -- 1 active, 2 disabled, 3 removed
    revocations INTEGER NOT NULL,        -- goes up to revoke every grant of this owner at once
    lookup_tag  BLOB UNIQUE,
    identity    BLOB,                    -- sealed
    pseudonym   BLOB,                    -- sealed; null once erased
    created_at  INTEGER NOT NULL,
    claims      BLOB,                    -- sealed: what is told of a user in id_tokens; null: nothing
    creations     INTEGER NOT NULL,      -- grants, connections and consents that were ever created; not in the row hash
    last_creation INTEGER,               -- the leaf of the last of them; not in the row hash
    leaf        INTEGER NOT NULL,
    row_tag     BLOB    NOT NULL
) STRICT;

CREATE TABLE owner_keys (
    id               INTEGER PRIMARY KEY,  -- owner_id * 4 + role
    owner_id         INTEGER NOT NULL REFERENCES owners (id),
    role             INTEGER NOT NULL,
    version          INTEGER NOT NULL,     -- that records name
    epoch            INTEGER NOT NULL,     -- of the role's key that wraps it
    wrapped          BLOB    NOT NULL,
    previous_version INTEGER,              -- the key before, while records are sealed again
    previous_epoch   INTEGER,
    previous_wrapped BLOB,
    leaf             INTEGER NOT NULL,
    row_tag          BLOB    NOT NULL
) STRICT;

CREATE TABLE clients (
    id              INTEGER PRIMARY KEY REFERENCES owners (id),
    name_tag        BLOB UNIQUE,
    registration    TEXT    NOT NULL,    -- JSON, keys sorted
    self_registered INTEGER,             -- 1: by itself; null: by an operator
    rotation        TEXT,                -- policy for refresh tokens; null: strict
    leaf            INTEGER NOT NULL,
    row_tag         BLOB    NOT NULL
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
    first_used_at              INTEGER,           -- of the current pair; this and the next two are not in the log's hash
    stale_uses                 INTEGER,           -- of refresh tokens that were replaced; null: 0
    last_stale_at              INTEGER,           -- null: never
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
    id       INTEGER NOT NULL,           -- index of the leaf
    part     INTEGER NOT NULL,           -- 1 about the subject, 2 about the actor
    owner_id INTEGER NOT NULL REFERENCES owners (id),
    sealed   BLOB    NOT NULL,           -- salt and data; the leaf holds SHA-256(salt || data)
    PRIMARY KEY (id, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    state    TEXT NOT NULL,
    progress TEXT NOT NULL
) STRICT;

-- What the authorization server keeps beside grants: consents, signing keys of id_tokens, passwords, sign-in sessions.

CREATE TABLE consents (
    id         INTEGER PRIMARY KEY,      -- drawn from the same counter as grants
    owner_id   INTEGER NOT NULL REFERENCES owners (id),   -- the user
    client_id  INTEGER NOT NULL REFERENCES owners (id),
    scope      TEXT    NOT NULL,         -- everything this user ever allowed this client
    granted_at INTEGER NOT NULL,         -- the last time the user said so
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL,
    UNIQUE (owner_id, client_id)
) STRICT;
CREATE INDEX consents_by_client ON consents (client_id);

CREATE TABLE signing_keys (
    id              INTEGER PRIMARY KEY,
    kid             TEXT    NOT NULL UNIQUE,
    algorithm       TEXT    NOT NULL,    -- RS256, ES256, EdDSA
    state           INTEGER NOT NULL,    -- 1 current, 2 retired
    created_at      INTEGER NOT NULL,
    published_until INTEGER,             -- null while current: until when the public key stays in the key set
    private_key     BLOB    NOT NULL,    -- sealed under the system's key
    public_jwk      TEXT    NOT NULL,
    leaf            INTEGER NOT NULL,
    row_tag         BLOB    NOT NULL
) STRICT;

CREATE TABLE passwords (
    id         INTEGER PRIMARY KEY REFERENCES owners (id),
    version    INTEGER NOT NULL,         -- goes up with every change, which ends the sessions of the one before
    verifier   BLOB,                     -- sealed: Argon2id parameters and hash; null: none, nobody signs in
    changed_at INTEGER NOT NULL,
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL
) STRICT;

-- The two below are upkeep without a leaf: they only take away what a sealed cookie or a signature already proves.
CREATE TABLE sign_in_sessions (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_sessions_by_expiry ON sign_in_sessions (expires_at);

CREATE TABLE used_assertions (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),  -- keyed tag of client and jti
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_assertions_by_expiry ON used_assertions (expires_at);

-- What the keeper holds: providers that issue tokens to us, connections to them, consents that were begun, webhooks.

CREATE TABLE providers (
    id          INTEGER PRIMARY KEY,     -- drawn from the same counter as grants, as are the ids below
    name        TEXT    NOT NULL UNIQUE,
    state       INTEGER NOT NULL,        -- 1 active, 2 stopped: it refused our client
    revision    INTEGER NOT NULL,        -- goes up with every change of the two below
    definition  TEXT    NOT NULL,        -- JSON: an entry of the catalogue with its variables, or an entry of the user's own
    credentials BLOB    NOT NULL,        -- sealed under the system's key
    created_at  INTEGER NOT NULL,
    leaf        INTEGER NOT NULL,
    row_tag     BLOB    NOT NULL
) STRICT;

CREATE TABLE connections (
    id                  INTEGER PRIMARY KEY,
    provider_id         INTEGER NOT NULL REFERENCES providers (id),
    owner_id            INTEGER NOT NULL REFERENCES owners (id),   -- the user; the system for tokens of our own
    kind                INTEGER NOT NULL,  -- 1 a user's consent, 2 client credentials
    lookup_tag          BLOB    NOT NULL UNIQUE,  -- of provider, owner and label
    created_at          INTEGER NOT NULL,
    state               INTEGER NOT NULL,  -- 1 live, 2 needs consent, 3 to be revoked at the provider, 4 revoked
    reason              TEXT,              -- why, where it is not live
    is_verified         INTEGER NOT NULL,  -- 0: imported, and the provider has not answered for it yet
    generation          INTEGER NOT NULL,  -- token pairs seen
    fence               INTEGER NOT NULL,  -- leases given
    details             BLOB    NOT NULL,  -- sealed: label, and what the provider told beside tokens
    scope               TEXT    NOT NULL,
    pair                BLOB,              -- sealed: the current token pair
    reply               BLOB,              -- sealed: a reply that could not be read
    issued_at           INTEGER,
    access_expires_at   INTEGER,           -- null: it does not expire
    refresh_expires_at  INTEGER,           -- null: not known to
    absolute_expires_at INTEGER,           -- null: not known to
    due_at              INTEGER,           -- when it is looked at next; null: when somebody asks
    failures            INTEGER NOT NULL,  -- in a row
    attempt_at          INTEGER,           -- first use of the current refresh token whose outcome is not known
    attempt_monotonic   INTEGER,
    attempt_clock       TEXT,
    attempt_token       BLOB,              -- fingerprint of the refresh token
    attempt_sends       INTEGER,
    lease_holder        BLOB,
    lease_until         INTEGER,           -- on the monotonic clock that lease_clock names
    lease_clock         TEXT,
    subject             BLOB,              -- sealed: whom the provider says it is of, and the account; null: not known
    subject_tag         BLOB,              -- of provider and subject
    variables           TEXT,              -- JSON: its own values for the provider's entry; null: none
    failing_since       INTEGER,           -- null: it is not, or not known
    leaf                INTEGER NOT NULL,
    row_tag             BLOB    NOT NULL
) STRICT;
CREATE INDEX connections_by_due ON connections (provider_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX connections_by_owner ON connections (owner_id);
CREATE INDEX connections_by_provider ON connections (provider_id);
CREATE INDEX connections_by_subject ON connections (subject_tag) WHERE subject_tag IS NOT NULL;

CREATE TABLE authorization_requests (
    id          INTEGER PRIMARY KEY,
    provider_id INTEGER NOT NULL,          -- which may be gone by the time the browser comes back
    owner_id    INTEGER NOT NULL REFERENCES owners (id),
    state_tag   BLOB    NOT NULL UNIQUE,   -- of `state`
    session_tag BLOB    NOT NULL,          -- of what the caller bound it to: the browser's session
    secrets     BLOB    NOT NULL,          -- sealed: PKCE verifier, nonce, redirect URI, scope, label
    expires_at  INTEGER NOT NULL,
    leaf        INTEGER NOT NULL,
    row_tag     BLOB    NOT NULL
) STRICT;
CREATE INDEX authorization_requests_by_expiry ON authorization_requests (expires_at);

CREATE TABLE webhooks (
    id         INTEGER PRIMARY KEY,
    url        TEXT    NOT NULL UNIQUE,
    secret     BLOB    NOT NULL,           -- sealed under the system's key
    created_at INTEGER NOT NULL,
    leaf       INTEGER NOT NULL,
    row_tag    BLOB    NOT NULL
) STRICT;

-- How far each was told; upkeep without a leaf.
CREATE TABLE webhook_cursors (
    id       INTEGER PRIMARY KEY REFERENCES webhooks (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,             -- index of the next leaf to look at
    failures INTEGER NOT NULL,
    retry_at INTEGER NOT NULL
) STRICT;

-- What keys and the log need over the years: rotation, recovery, anchors, backups.

CREATE TABLE keyslot_details (
    id        INTEGER PRIMARY KEY REFERENCES keyslots (id),
    name      TEXT    NOT NULL UNIQUE,
    held      BLOB,                      -- the key of the slot wrapped under the root key, so that a rotation can wrap anew
    epoch     INTEGER NOT NULL,          -- of the root key that wraps `held`
    proved_at INTEGER NOT NULL,          -- the last time somebody opened the slot
    leaf      INTEGER NOT NULL,
    row_tag   BLOB    NOT NULL
) STRICT;

CREATE TABLE anchors (
    id         INTEGER PRIMARY KEY,
    kind       TEXT    NOT NULL,         -- file, exec, witness
    target     TEXT    NOT NULL,
    parameters TEXT    NOT NULL,         -- JSON, keys sorted
    created_at INTEGER NOT NULL,
    role       INTEGER NOT NULL,         -- whose key tags the row: 3 custody for a program, 0 common
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

CREATE TABLE incarnations (
    id          INTEGER PRIMARY KEY,     -- from 2: the first has no row
    parent_size INTEGER NOT NULL,        -- of the log that it goes on from
    parent_root BLOB    NOT NULL,
    restored_at INTEGER NOT NULL,
    lost_from   INTEGER NOT NULL,        -- numbers of grants that the restore lost, or may have: from here
    lost_to     INTEGER NOT NULL,        -- to before this
    lost_since  INTEGER NOT NULL,        -- what was issued from then until restored_at was lost
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
