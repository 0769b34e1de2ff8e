"""Money given back."""
