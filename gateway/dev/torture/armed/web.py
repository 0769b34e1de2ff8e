"""The web process of `wsgi`, armed."""

from gateway.dev.torture.armed import arm
from wsgi import app

arm()
__all__ = ["app"]
