-- Has one row while another database is being copied into this one: who copies.
CREATE TABLE half_copied (
    holder BLOB NOT NULL CHECK (length(holder) = 12)
) STRICT;
