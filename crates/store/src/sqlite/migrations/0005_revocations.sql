-- The last time that all logins were ended without a change of the password.
ALTER TABLE account ADD COLUMN revocation BLOB CHECK (length(revocation) = 12);

-- The address before, where that one is to hear of the change.
ALTER TABLE outbox ADD COLUMN recipient TEXT;
ALTER TABLE decoy_outbox ADD COLUMN recipient TEXT;
