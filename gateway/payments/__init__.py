"""The attempt to be paid."""
