"""The payment gateway: its API and its domain. Never imports workers or Celery."""
