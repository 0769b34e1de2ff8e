"""What there is to sell, and to whom each piece is promised."""
