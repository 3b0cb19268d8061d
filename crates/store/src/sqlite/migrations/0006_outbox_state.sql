-- How many wait and are dead, and since when: without a look at the entries themselves, however many there are.
CREATE INDEX outbox_by_state ON outbox (state, requested_at);
CREATE INDEX decoy_outbox_by_state ON decoy_outbox (state, requested_at);
