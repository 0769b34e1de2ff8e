-- Who began a payment, and the first page that opened it for a shopper.
ALTER TABLE payments ADD COLUMN opening jsonb NOT NULL DEFAULT '{}';

-- Derived from the secret when the key is made, and sealed: signs what a shopper carries back.
ALTER TABLE api_keys ADD COLUMN sealed_result_key text;
