"""What Stripe tells us: verified, stored once, makes a payment due."""
