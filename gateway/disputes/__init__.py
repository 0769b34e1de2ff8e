"""Money that a bank takes back for its shopper, or tries to."""
