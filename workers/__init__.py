"""Celery workers, the relay and the clock. They import the gateway, never the reverse."""
