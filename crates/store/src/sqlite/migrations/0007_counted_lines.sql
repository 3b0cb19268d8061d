-- A line of history may stand for several events of one day. Without a time of the first event it stands for one.
ALTER TABLE history ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE history ADD COLUMN first_at INTEGER;
ALTER TABLE decoy_history ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE decoy_history ADD COLUMN first_at INTEGER;
