"""Payments under everything that may go wrong, to see that they end as they must."""
