"""The rules everything obeys, one by one, on a real PostgreSQL."""
