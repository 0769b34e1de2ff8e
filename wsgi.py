"""The web process for any WSGI server: `granian --interface wsgi wsgi:app`."""

from gateway.app import create_app

app = create_app()
