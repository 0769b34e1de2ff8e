-- When the next question that can wait may be put to Stripe: one row, shared by all workers.
CREATE TABLE stripe_pace (
    id bigint NOT NULL,
    free_at timestamptz NOT NULL,
    CONSTRAINT stripe_pace_pkey PRIMARY KEY (id)
);

-- Due by the clock alone. Apart, so that a backlog of polls is never in the way of news.
ALTER TABLE payments ADD COLUMN polled boolean NOT NULL DEFAULT false;
DROP INDEX payments_due_idx;
CREATE INDEX payments_due_idx ON payments (due_at) WHERE due_at IS NOT NULL AND NOT polled;
CREATE INDEX payments_polled_idx ON payments (due_at) WHERE due_at IS NOT NULL AND polled;

-- Which stretch of time a run has compared.
ALTER TABLE runs ADD COLUMN covers_since timestamptz;
ALTER TABLE runs ADD COLUMN covers_until timestamptz;
CREATE INDEX runs_covers_idx ON runs (job, covers_until) WHERE covers_until IS NOT NULL;

-- What a run has still to ask about one by one.
CREATE TABLE run_subjects (
    run_id text NOT NULL,
    payment_id text NOT NULL,
    CONSTRAINT run_subjects_pkey PRIMARY KEY (run_id, payment_id),
    CONSTRAINT run_subjects_run_id_fkey FOREIGN KEY(run_id) REFERENCES runs (id),
    CONSTRAINT run_subjects_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id)
);

CREATE INDEX run_subjects_payment_id_idx ON run_subjects (payment_id);

-- Whether Stripe sent an event, or we fetched it because it had not come.
ALTER TABLE stripe_events ADD COLUMN fetched boolean NOT NULL DEFAULT false;

-- Where we and Stripe did not agree.
CREATE TABLE discrepancies (
    id text NOT NULL,
    status text NOT NULL,
    run_id text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    payment_id text,
    merchant_id text,
    livemode boolean NOT NULL,
    ours jsonb,
    theirs jsonb,
    reason text NOT NULL,
    handled_by text,
    how text,
    handled_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT discrepancies_pkey PRIMARY KEY (id),
    CONSTRAINT discrepancies_run_id_fkey FOREIGN KEY(run_id) REFERENCES runs (id),
    CONSTRAINT discrepancies_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id),
    CONSTRAINT discrepancies_merchant_id_fkey FOREIGN KEY(merchant_id) REFERENCES merchants (id)
);
CREATE UNIQUE INDEX discrepancies_open_key ON discrepancies (kind, subject) WHERE status = 'open';
CREATE INDEX discrepancies_run_idx ON discrepancies (run_id, id);
CREATE INDEX discrepancies_payment_idx ON discrepancies (payment_id, id)
    WHERE payment_id IS NOT NULL;
CREATE INDEX discrepancies_subject_idx ON discrepancies (subject, id);
CREATE INDEX discrepancies_list_idx ON discrepancies (merchant_id, livemode, id);

INSERT INTO transitions VALUES
    ('discrepancy', NULL, 'open'),
    ('discrepancy', 'open', 'fixed'),
    ('discrepancy', 'open', 'resolved');
CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON discrepancies
    FOR EACH ROW EXECUTE FUNCTION guard_transition('discrepancy');
