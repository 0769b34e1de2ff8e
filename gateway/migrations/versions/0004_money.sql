-- What there is to sell. `reserved` of the pieces on hand are promised to orders.
CREATE TABLE inventory (
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    sku text NOT NULL,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    CONSTRAINT inventory_pkey PRIMARY KEY (merchant_id, livemode, sku),
    CONSTRAINT inventory_reserved_check CHECK (0 <= reserved AND reserved <= on_hand),
    CONSTRAINT inventory_merchant_id_fkey FOREIGN KEY(merchant_id) REFERENCES merchants (id)
);

-- Every piece goes from one place to another, so that the places add up for ever.
CREATE TABLE stock_movements (
    id bigint GENERATED ALWAYS AS IDENTITY,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    sku text NOT NULL,
    order_id text,
    from_place text NOT NULL,
    to_place text NOT NULL,
    quantity bigint NOT NULL,
    actor text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT stock_movements_pkey PRIMARY KEY (id),
    CONSTRAINT stock_movements_quantity_check CHECK (quantity > 0),
    CONSTRAINT stock_movements_places_check CHECK (
        from_place <> to_place
        AND from_place IN ('outside', 'available', 'reserved', 'sold')
        AND to_place IN ('outside', 'available', 'reserved', 'sold')
    ),
    CONSTRAINT stock_movements_merchant_id_livemode_sku_fkey
        FOREIGN KEY(merchant_id, livemode, sku) REFERENCES inventory (merchant_id, livemode, sku)
);
CREATE INDEX stock_movements_order_idx ON stock_movements (order_id);
CREATE INDEX stock_movements_sku_idx ON stock_movements (merchant_id, livemode, sku, id);

-- An order that nobody pays ends by itself; `paid_by` is the payment that it was packed for.
ALTER TABLE orders ADD COLUMN paid_by text;
UPDATE orders SET paid_by = (
    SELECT id FROM payments WHERE order_id = orders.id AND status = 'succeeded' ORDER BY id LIMIT 1
) WHERE status IN ('payment_done', 'packaging');
UPDATE orders SET due_at = gateway_now() + interval '1 hour',
    expires_at = gateway_now() + interval '1 hour' WHERE status IN ('created', 'payment_failed');
CREATE INDEX orders_due_idx ON orders (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX orders_attention_idx ON orders (id) WHERE needs_attention IS NOT NULL;

ALTER TABLE payments ADD COLUMN expire_at timestamptz;
ALTER TABLE payments ADD COLUMN reported jsonb;
ALTER TABLE payments ADD COLUMN accepted jsonb;
ALTER TABLE payments ADD COLUMN resolution text;

-- Money taken of what was held.
CREATE TABLE captures (
    id text NOT NULL,
    status text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    payment_id text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text,
    failure_code text,
    failure_message text,
    request_params json,
    requested_at timestamptz,
    request_number bigint NOT NULL,
    look_first boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT captures_pkey PRIMARY KEY (id),
    CONSTRAINT captures_amount_check CHECK (amount > 0),
    CONSTRAINT captures_merchant_id_fkey FOREIGN KEY(merchant_id) REFERENCES merchants (id),
    CONSTRAINT captures_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id)
);
CREATE INDEX captures_attention_idx ON captures (id) WHERE needs_attention IS NOT NULL;
CREATE INDEX captures_due_idx ON captures (due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX captures_one_pending_key ON captures (payment_id) WHERE status = 'pending';
CREATE INDEX captures_payment_idx ON captures (payment_id, id);

-- Money given back.
CREATE TABLE refunds (
    id text NOT NULL,
    status text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    payment_id text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text,
    automatic boolean NOT NULL,
    failure_code text,
    failure_message text,
    stripe_refund_id text,
    request_params json,
    requested_at timestamptz,
    request_number bigint NOT NULL,
    look_first boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT refunds_pkey PRIMARY KEY (id),
    CONSTRAINT refunds_amount_check CHECK (amount > 0),
    CONSTRAINT refunds_merchant_id_fkey FOREIGN KEY(merchant_id) REFERENCES merchants (id),
    CONSTRAINT refunds_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id),
    CONSTRAINT refunds_stripe_refund_id_key UNIQUE (stripe_refund_id)
);
CREATE INDEX refunds_attention_idx ON refunds (id) WHERE needs_attention IS NOT NULL;
CREATE INDEX refunds_due_idx ON refunds (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX refunds_payment_idx ON refunds (payment_id, id);
CREATE INDEX refunds_pending_idx ON refunds (payment_id) WHERE status = 'pending';

-- Money that a shopper's bank takes back, or tries to.
CREATE TABLE disputes (
    id text NOT NULL,
    status text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    payment_id text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text,
    respond_by timestamptz,
    stripe_dispute_id text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_at timestamptz,
    leased_until timestamptz,
    lease bigint NOT NULL,
    attempts bigint NOT NULL,
    needs_attention text,
    CONSTRAINT disputes_pkey PRIMARY KEY (id),
    CONSTRAINT disputes_merchant_id_fkey FOREIGN KEY(merchant_id) REFERENCES merchants (id),
    CONSTRAINT disputes_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id),
    CONSTRAINT disputes_stripe_dispute_id_key UNIQUE (stripe_dispute_id)
);
CREATE INDEX disputes_list_idx ON disputes (merchant_id, livemode, id);
CREATE INDEX disputes_payment_idx ON disputes (payment_id, id);

INSERT INTO transitions VALUES
    ('capture', NULL, 'pending'),
    ('capture', 'pending', 'succeeded'),
    ('capture', 'pending', 'failed'),
    ('refund', NULL, 'pending'),
    ('refund', 'pending', 'succeeded'),
    ('refund', 'pending', 'failed'),
    ('refund', 'pending', 'cancelled'),
    ('refund', 'succeeded', 'failed'),
    ('dispute', NULL, 'open'),
    ('dispute', 'open', 'won'),
    ('dispute', 'open', 'lost');

CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON captures
    FOR EACH ROW EXECUTE FUNCTION guard_transition('capture');
CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON refunds
    FOR EACH ROW EXECUTE FUNCTION guard_transition('refund');
CREATE TRIGGER guard_transition BEFORE INSERT OR UPDATE OF status ON disputes
    FOR EACH ROW EXECUTE FUNCTION guard_transition('dispute');
