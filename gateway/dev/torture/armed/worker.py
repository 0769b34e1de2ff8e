"""The Celery application of `workers.app`, armed."""

from gateway.dev.torture.armed import arm
from workers.app import app

arm()
__all__ = ["app"]
