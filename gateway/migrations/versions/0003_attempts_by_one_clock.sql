-- When an attempt was written down, by the clock that events go by: a timeline is sorted by it.
ALTER TABLE callback_attempts ADD COLUMN recorded_at timestamptz;
-- What was given up is counted at each scrape, however many deliveries there have been.
CREATE INDEX callback_deliveries_exhausted_idx ON callback_deliveries (id)
    WHERE status = 'exhausted';
