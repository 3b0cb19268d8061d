-- Each round of the queue has its own order, so that new mails do not stand behind old failures.
DROP INDEX outbox_waiting;
CREATE INDEX outbox_first_round ON outbox (free_at, id) WHERE state = 'waiting' AND attempts = 0;
CREATE INDEX outbox_later_rounds ON outbox (free_at, id) WHERE state = 'waiting' AND attempts > 0;

-- For forgetting what is too old.
CREATE INDEX history_by_time ON history (at);
