-- The last disabling of the account, which stays when it is enabled again.
ALTER TABLE account ADD COLUMN disabling BLOB CHECK (length(disabling) = 12);
ALTER TABLE account ADD COLUMN is_disabled INTEGER NOT NULL DEFAULT 0 CHECK (is_disabled IN (0, 1));
