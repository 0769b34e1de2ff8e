"""What was asked for: orders and their items."""
