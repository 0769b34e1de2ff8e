"""Tests of the Stripe sandbox, spoken to through stripe-python as the gateway does."""
