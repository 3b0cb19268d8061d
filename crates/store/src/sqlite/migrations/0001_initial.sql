-- Times are whole milliseconds since 1970, UTC. Ids are the 12 bytes of an ObjectId.

CREATE TABLE account (
    id       BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 12),
    email    TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- For accounts that others have written with capitals.
CREATE INDEX account_by_folded_email ON account (email COLLATE NOCASE);

CREATE TABLE movie (
    id       BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 12),
    name     TEXT NOT NULL UNIQUE,
    casts    TEXT NOT NULL CHECK (json_valid(casts)),
    genres   TEXT NOT NULL CHECK (json_valid(genres)),
    added_by BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX movie_by_account ON movie (added_by);

CREATE TABLE outbox (
    id           BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 12),
    account      BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    origin       TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    state        TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    next_try_at  INTEGER NOT NULL,
    last_error   TEXT,
    lease_holder BLOB,
    lease_until  INTEGER,
    -- The moment from which a worker may take it: due, and held by nobody.
    free_at      INTEGER NOT NULL GENERATED ALWAYS AS (max(next_try_at, coalesce(lease_until, next_try_at))) STORED
) STRICT, WITHOUT ROWID;

-- The worker's only question, answered by the first row of this index however many wait, are held, or are dead.
CREATE INDEX outbox_waiting ON outbox (free_at, id) WHERE state = 'waiting';
CREATE INDEX outbox_by_account ON outbox (account, requested_at);

CREATE TABLE history (
    number  INTEGER PRIMARY KEY,
    account BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    origin  TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;

CREATE INDEX history_by_account ON history (account, at, number);
