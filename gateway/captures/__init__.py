"""Money taken of what a payment holds."""
