"""Do our rows and Stripe's agree? Every payment that is not at an end is asked about."""
