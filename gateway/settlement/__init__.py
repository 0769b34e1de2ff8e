"""The only place where order, payment, refund and stock move together."""
