-- What Stripe was asked about a payment, where that told something new or failed. Kept for a time.
CREATE TABLE stripe_calls (
    id bigint GENERATED ALWAYS AS IDENTITY,
    payment_id text NOT NULL,
    task text NOT NULL,
    number bigint NOT NULL,
    asked_at timestamptz NOT NULL,
    answered_at timestamptz NOT NULL,
    outcome text NOT NULL,
    detail text,
    CONSTRAINT stripe_calls_pkey PRIMARY KEY (id),
    CONSTRAINT stripe_calls_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id)
);
CREATE INDEX stripe_calls_answered_at_idx ON stripe_calls (answered_at);
CREATE INDEX stripe_calls_payment_idx ON stripe_calls (payment_id, id);
