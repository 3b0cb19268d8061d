-- Changes that take effect once a link is used. A sign-up has the id of the account that it creates.
CREATE TABLE pending_change (
    id           BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 12),
    -- One change at most for each key.
    key          TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    account      BLOB NOT NULL CHECK (length(account) = 12),
    address      TEXT NOT NULL,
    origin       TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pending_change_by_account ON pending_change (account, requested_at);
CREATE INDEX pending_change_by_time ON pending_change (expires_at);
CREATE INDEX pending_change_by_address ON pending_change (kind, address COLLATE NOCASE);

-- The mail of a sign-up belongs to an account that does not exist yet, so a trigger takes the place of the foreign key.
CREATE TABLE outbox_of_any (
    id           BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 12),
    account      BLOB NOT NULL CHECK (length(account) = 12),
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
    -- Time from which a worker may lease it.
    free_at      INTEGER NOT NULL GENERATED ALWAYS AS (max(next_try_at, coalesce(lease_until, next_try_at))) STORED,
    recipient    TEXT
) STRICT, WITHOUT ROWID;

INSERT INTO outbox_of_any (id, account, kind, requested_at, origin, fingerprint, state, attempts, next_try_at, last_error, lease_holder, lease_until, recipient)
SELECT id, account, kind, requested_at, origin, fingerprint, state, attempts, next_try_at, last_error, lease_holder, lease_until, recipient FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_of_any RENAME TO outbox;

CREATE INDEX outbox_first_round ON outbox (free_at, id) WHERE state = 'waiting' AND attempts = 0;
CREATE INDEX outbox_later_rounds ON outbox (free_at, id) WHERE state = 'waiting' AND attempts > 0;
CREATE INDEX outbox_by_account ON outbox (account, requested_at);
CREATE INDEX outbox_by_state ON outbox (state, requested_at);

CREATE TRIGGER account_deleted AFTER DELETE ON account BEGIN
    DELETE FROM pending_change WHERE account = OLD.id;
    DELETE FROM outbox WHERE account = OLD.id;
END;

CREATE TRIGGER pending_change_deleted AFTER DELETE ON pending_change BEGIN
    DELETE FROM outbox WHERE account = OLD.account AND kind = OLD.kind AND recipient = OLD.address;
END;
