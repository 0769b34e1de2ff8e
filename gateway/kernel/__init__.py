"""The rules everything obeys. Knows nothing of payments, Flask's app or Celery."""
