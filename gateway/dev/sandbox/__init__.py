"""A stateful local Stripe on its own port."""
