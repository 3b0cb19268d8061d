-- How often something was done, see domain/limit.rs. The key is a keyed digest.
CREATE TABLE tally (
    key        BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),
    count      INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    kept_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tally_by_time ON tally (kept_until);

-- Where nobody may be told that there is no such account, as much is written as for one; nothing stays in these two.
CREATE TABLE decoy_outbox (
    id           BLOB PRIMARY KEY NOT NULL,
    account      BLOB NOT NULL,
    kind         TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    origin       TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    state        TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    next_try_at  INTEGER NOT NULL,
    last_error   TEXT,
    lease_holder BLOB,
    lease_until  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX decoy_outbox_first_round ON decoy_outbox (next_try_at, id);
CREATE INDEX decoy_outbox_by_account ON decoy_outbox (account, requested_at);

CREATE TABLE decoy_history (
    number  INTEGER PRIMARY KEY,
    account BLOB NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    origin  TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;

CREATE INDEX decoy_history_by_account ON decoy_history (account, at, number);
CREATE INDEX decoy_history_by_time ON decoy_history (at);
