-- The first version. Amounts are minor units, times UTC. The models in the code have the same
-- tables (a test compares them); the guards at the end exist only here.

-- The one clock. The offset is 0 in production; tests and demos move it.
CREATE TABLE clock (
    id integer PRIMARY KEY CHECK (id = 1),
    offset_seconds double precision NOT NULL
);
INSERT INTO clock VALUES (1, 0);

CREATE FUNCTION gateway_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT now() + make_interval(secs => (SELECT offset_seconds FROM clock))
$$;

-- Who may call.
CREATE TABLE merchants (
    id text NOT NULL,
    name text NOT NULL,
    allowed_origins jsonb DEFAULT '[]' NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT merchants_pkey PRIMARY KEY (id),
    CONSTRAINT merchants_name_key UNIQUE (name)
);

CREATE TABLE api_keys (
    id text NOT NULL,
    key text NOT NULL,
    secret_hash bytea NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    name text,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_key_key UNIQUE (key),
    CONSTRAINT api_keys_merchant_id_fkey FOREIGN KEY(merchant_id) REFERENCES merchants (id)
);
CREATE INDEX api_keys_merchant_id_idx ON api_keys (merchant_id);

-- The answers given, for a repeated question.
CREATE TABLE idempotency_keys (
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    status bigint NOT NULL,
    body text NOT NULL,
    sealed boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (merchant_id, livemode, key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

-- Every change, in the transaction that made it.
CREATE TABLE events (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    id text NOT NULL,
    type text NOT NULL,
    subject_id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    from_status text,
    to_status text NOT NULL,
    actor text NOT NULL,
    request_id text,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    position bigint,
    sequence bigint,
    CONSTRAINT events_pkey PRIMARY KEY (seq),
    CONSTRAINT events_id_key UNIQUE (id),
    CONSTRAINT events_position_key UNIQUE (position)
);
CREATE UNIQUE INDEX events_feed_idx ON events (merchant_id, livemode, sequence);
CREATE INDEX events_subject_idx ON events (subject_id, seq);
CREATE INDEX events_unnumbered_idx ON events (seq) WHERE position IS NULL;

-- What was asked for.
CREATE TABLE orders (
    id text NOT NULL,
    status text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    reference text,
    currency text NOT NULL,
    amount bigint NOT NULL,
    items jsonb NOT NULL,
    customer_email text,
    metadata jsonb NOT NULL,
    reason text,
    cancel_requested_at timestamptz,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_amount_check CHECK (amount between 1 and 99999999),
    CONSTRAINT orders_reference_check CHECK (char_length(reference) between 1 and 64),
    CONSTRAINT orders_merchant_id_fkey FOREIGN KEY(merchant_id) REFERENCES merchants (id)
);
CREATE INDEX orders_list_idx ON orders (merchant_id, livemode, id);
CREATE UNIQUE INDEX orders_reference_key ON orders (merchant_id, livemode, reference);

-- The attempts to be paid.
CREATE TABLE payments (
    id text NOT NULL,
    status text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    order_id text NOT NULL,
    order_reference text,
    attempt bigint NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    method text,
    vpa text,
    capture_method text NOT NULL,
    return_url text,
    metadata jsonb NOT NULL,
    amount_captured bigint NOT NULL,
    amount_refunded bigint NOT NULL,
    checkout_url text,
    failure_code text,
    failure_message text,
    cancel_requested_at timestamptz,
    stripe_session_id text,
    stripe_intent_id text,
    stripe_failed_charge_id text,
    session_params json,
    session_requested_at timestamptz,
    session_attempt bigint NOT NULL,
    session_look_first boolean NOT NULL,
    checked_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT payments_pkey PRIMARY KEY (id),
    CONSTRAINT payments_amount_check CHECK (amount between 1 and 99999999),
    CONSTRAINT payments_refunded_check CHECK (0 <= amount_refunded AND amount_refunded <= amount_captured),
    CONSTRAINT payments_merchant_id_fkey FOREIGN KEY(merchant_id) REFERENCES merchants (id),
    CONSTRAINT payments_order_id_fkey FOREIGN KEY(order_id) REFERENCES orders (id),
    CONSTRAINT payments_stripe_session_id_key UNIQUE (stripe_session_id),
    CONSTRAINT payments_stripe_intent_id_key UNIQUE (stripe_intent_id)
);
CREATE INDEX payments_attention_idx ON payments (id) WHERE needs_attention IS NOT NULL;
CREATE INDEX payments_due_idx ON payments (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX payments_list_idx ON payments (merchant_id, livemode, id);
CREATE UNIQUE INDEX payments_one_live_per_order_key
    ON payments (order_id)
    WHERE status IN ('pending', 'requires_action', 'processing', 'authorized')
    AND cancel_requested_at IS NULL;
CREATE INDEX payments_open_idx
    ON payments (checked_at)
    WHERE status IN ('pending', 'requires_action', 'processing', 'authorized', 'review');
CREATE UNIQUE INDEX payments_order_idx ON payments (order_id, attempt);

-- What Stripe told us.
CREATE TABLE stripe_events (
    id text NOT NULL,
    status text NOT NULL,
    livemode boolean NOT NULL,
    stripe_event_id text NOT NULL,
    type text NOT NULL,
    api_version text,
    object_id text,
    session_id text,
    intent_id text,
    named_payment_id text,
    payment_id text,
    reason text,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT stripe_events_pkey PRIMARY KEY (id),
    CONSTRAINT stripe_events_stripe_event_id_key UNIQUE (stripe_event_id)
);
CREATE INDEX stripe_events_payment_idx ON stripe_events (payment_id, id);
CREATE INDEX stripe_events_received_idx
    ON stripe_events (payment_id, created_at)
    WHERE status IN ('received', 'unmatched');
CREATE INDEX stripe_events_unmatched_idx
    ON stripe_events (created_at)
    WHERE status = 'unmatched';

-- Whom we tell.
CREATE TABLE callback_endpoints (
    id text NOT NULL,
    status text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    url text NOT NULL,
    events jsonb NOT NULL,
    description text,
    sealed_secret text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT callback_endpoints_pkey PRIMARY KEY (id),
    CONSTRAINT callback_endpoints_merchant_id_fkey FOREIGN KEY(merchant_id) REFERENCES merchants (id)
);
CREATE INDEX callback_endpoints_list_idx ON callback_endpoints (merchant_id, livemode, id);

-- What we tell, and how far it came.
CREATE TABLE callback_deliveries (
    id text NOT NULL,
    status text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    endpoint_id text NOT NULL,
    attempted bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT callback_deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT callback_deliveries_event_id_endpoint_id_key UNIQUE (event_id, endpoint_id),
    CONSTRAINT callback_deliveries_event_id_fkey FOREIGN KEY(event_id) REFERENCES events (id),
    CONSTRAINT callback_deliveries_endpoint_id_fkey FOREIGN KEY(endpoint_id) REFERENCES callback_endpoints (id)
);
CREATE INDEX callback_deliveries_attention_idx
    ON callback_deliveries (id)
    WHERE needs_attention IS NOT NULL;
CREATE INDEX callback_deliveries_due_idx
    ON callback_deliveries (due_at)
    WHERE due_at IS NOT NULL;
CREATE INDEX callback_deliveries_endpoint_idx ON callback_deliveries (endpoint_id, id);
CREATE INDEX callback_deliveries_list_idx ON callback_deliveries (merchant_id, livemode, id);

-- Every POST and its answer.
CREATE TABLE callback_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY,
    delivery_id text NOT NULL,
    number bigint NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms bigint NOT NULL,
    status_code bigint,
    error text,
    response_headers jsonb NOT NULL,
    response_body text NOT NULL,
    CONSTRAINT callback_attempts_pkey PRIMARY KEY (id),
    CONSTRAINT callback_attempts_delivery_id_fkey FOREIGN KEY(delivery_id) REFERENCES callback_deliveries (id)
);
CREATE UNIQUE INDEX callback_attempts_delivery_idx ON callback_attempts (delivery_id, number);

-- What the clock has started.
CREATE TABLE runs (
    id text NOT NULL,
    status text NOT NULL,
    job text NOT NULL,
    total bigint,
    done bigint NOT NULL,
    error text,
    finished_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT runs_pkey PRIMARY KEY (id)
);
CREATE INDEX runs_attention_idx ON runs (id) WHERE needs_attention IS NOT NULL;
CREATE INDEX runs_due_idx ON runs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX runs_job_idx ON runs (job, created_at);

-- Signs of life.
CREATE TABLE heartbeats (
    name text NOT NULL,
    kind text NOT NULL,
    queue text,
    slots bigint NOT NULL,
    ok boolean NOT NULL,
    detail text,
    seen_at timestamptz NOT NULL,
    CONSTRAINT heartbeats_pkey PRIMARY KEY (name)
);

-- Guards: what holds even for a hand in psql, as long as it is not the owner's.

-- Every life cycle, as in the code. None may be skipped.
CREATE TABLE transitions (
    kind text NOT NULL,
    from_status text,  -- null: not born yet
    to_status text NOT NULL,
    CONSTRAINT transitions_key UNIQUE NULLS NOT DISTINCT (kind, from_status, to_status)
);
INSERT INTO transitions VALUES
    ('order', NULL, 'created'),
    ('order', 'created', 'payment_in_progress'),
    ('order', 'created', 'cancelled'),
    ('order', 'payment_in_progress', 'payment_done'),
    ('order', 'payment_in_progress', 'payment_failed'),
    ('order', 'payment_in_progress', 'cancelled'),
    ('order', 'payment_failed', 'payment_in_progress'),
    ('order', 'payment_failed', 'payment_done'),
    ('order', 'payment_failed', 'cancelled'),
    ('order', 'payment_done', 'packaging'),
    ('order', 'payment_done', 'cancelled'),
    ('order', 'packaging', 'cancelled'),
    ('payment', NULL, 'pending'),
    ('payment', 'pending', 'requires_action'),
    ('payment', 'pending', 'processing'),
    ('payment', 'pending', 'authorized'),
    ('payment', 'pending', 'succeeded'),
    ('payment', 'pending', 'failed'),
    ('payment', 'pending', 'expired'),
    ('payment', 'pending', 'cancelled'),
    ('payment', 'pending', 'review'),
    ('payment', 'requires_action', 'processing'),
    ('payment', 'requires_action', 'authorized'),
    ('payment', 'requires_action', 'succeeded'),
    ('payment', 'requires_action', 'failed'),
    ('payment', 'requires_action', 'expired'),
    ('payment', 'requires_action', 'cancelled'),
    ('payment', 'requires_action', 'review'),
    ('payment', 'processing', 'authorized'),
    ('payment', 'processing', 'succeeded'),
    ('payment', 'processing', 'failed'),
    ('payment', 'processing', 'cancelled'),
    ('payment', 'processing', 'review'),
    ('payment', 'authorized', 'succeeded'),
    ('payment', 'authorized', 'cancelled'),
    ('payment', 'authorized', 'expired'),
    ('payment', 'authorized', 'review'),
    ('payment', 'failed', 'succeeded'),
    ('payment', 'failed', 'review'),
    ('payment', 'expired', 'succeeded'),
    ('payment', 'expired', 'review'),
    ('payment', 'cancelled', 'succeeded'),
    ('payment', 'cancelled', 'review'),
    ('payment', 'succeeded', 'refunded'),
    ('payment', 'succeeded', 'review'),
    ('payment', 'refunded', 'succeeded'),
    ('payment', 'review', 'succeeded'),
    ('payment', 'review', 'refunded'),
    ('payment', 'review', 'failed'),
    ('payment', 'review', 'cancelled'),
    ('stripe_event', NULL, 'received'),
    ('stripe_event', 'received', 'processed'),
    ('stripe_event', 'received', 'ignored'),
    ('stripe_event', 'received', 'unmatched'),
    ('stripe_event', 'received', 'failed'),
    ('stripe_event', 'unmatched', 'processed'),
    ('stripe_event', 'unmatched', 'ignored'),
    ('stripe_event', 'failed', 'processed'),
    ('stripe_event', 'failed', 'ignored'),
    ('endpoint', NULL, 'enabled'),
    ('endpoint', 'enabled', 'disabled'),
    ('endpoint', 'enabled', 'deleted'),
    ('endpoint', 'disabled', 'enabled'),
    ('endpoint', 'disabled', 'deleted'),
    ('delivery', NULL, 'pending'),
    ('delivery', 'pending', 'delivered'),
    ('delivery', 'pending', 'exhausted'),
    ('delivery', 'delivered', 'pending'),
    ('delivery', 'exhausted', 'pending'),
    ('run', NULL, 'pending'),
    ('run', 'pending', 'succeeded'),
    ('run', 'pending', 'failed');

CREATE FUNCTION guard_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text := CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = NEW.status THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (
        SELECT FROM transitions
        WHERE kind = TG_ARGV[0] AND to_status = NEW.status
        AND from_status IS NOT DISTINCT FROM before
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE =
            concat(TG_ARGV[0], ' ', NEW.id, ' cannot go from ', before, ' to ', NEW.status);
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON orders
    FOR EACH ROW EXECUTE FUNCTION guard_transition('order');
CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON payments
    FOR EACH ROW EXECUTE FUNCTION guard_transition('payment');
CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON stripe_events
    FOR EACH ROW EXECUTE FUNCTION guard_transition('stripe_event');
CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON callback_endpoints
    FOR EACH ROW EXECUTE FUNCTION guard_transition('endpoint');
CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON callback_deliveries
    FOR EACH ROW EXECUTE FUNCTION guard_transition('delivery');
CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON runs
    FOR EACH ROW EXECUTE FUNCTION guard_transition('run');

-- History cannot be edited: a row of events is numbered once, and that is all.
CREATE FUNCTION guard_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.position IS NULL AND OLD.sequence IS NULL
        AND (NEW.seq, NEW.id, NEW.type, NEW.subject_id, NEW.merchant_id, NEW.livemode,
             NEW.from_status, NEW.to_status, NEW.actor, NEW.request_id, NEW.data, NEW.created_at)
        IS NOT DISTINCT FROM
            (OLD.seq, OLD.id, OLD.type, OLD.subject_id, OLD.merchant_id, OLD.livemode,
             OLD.from_status, OLD.to_status, OLD.actor, OLD.request_id, OLD.data, OLD.created_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE =
        concat('events cannot be changed: ', TG_OP, ' refused');
END $$;

CREATE TRIGGER guard_events BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION guard_events();
CREATE TRIGGER guard_events_truncate BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION guard_events();
