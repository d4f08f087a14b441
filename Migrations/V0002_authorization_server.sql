-- What the authorization server keeps beside grants: consents, signing keys of id_tokens, passwords, sign-in sessions.
-- docs/schema.md says what each column means; a landed migration never changes.

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
