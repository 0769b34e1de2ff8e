"""Stripe in our words; the only importer of `stripe`."""
