-- What the keeper holds: providers that issue tokens to us, connections to them, consents that were begun, webhooks.
-- docs/schema.md says what each column means; a landed migration never changes.

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
    attempt_boot        TEXT,
    attempt_token       BLOB,              -- fingerprint of the refresh token
    attempt_sends       INTEGER,
    lease_holder        BLOB,
    lease_until         INTEGER,           -- on the monotonic clock of lease_boot
    lease_boot          TEXT,
    leaf                INTEGER NOT NULL,
    row_tag             BLOB    NOT NULL
) STRICT;
CREATE INDEX connections_by_due ON connections (provider_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX connections_by_owner ON connections (owner_id);
CREATE INDEX connections_by_provider ON connections (provider_id);

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
