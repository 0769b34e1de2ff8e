"""`/openapi.json`, the API described by itself, and `/docs`, where it can be read and tried.

Both are for everybody and read no data; the page works without any other server.
"""

import json
from functools import cache

from flask import Blueprint, Flask, Response, render_template, request

from gateway.openapi.document import document
from gateway.settings import settings

# The demo's key, as `gateway.dev.seed` makes it; it opens nothing in production.
DEMO_KEY = {"key": "key_test_abc123", "secret": "secret_test_xyz789"}

# Swagger UI sets its styles through the DOM, so that not even these need 'unsafe-inline'.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

pages = Blueprint(
    "docs",
    __name__,
    template_folder="templates",
    static_folder="swagger",
    static_url_path="/docs/swagger",
)


def init_app(app: Flask) -> None:
    @cache
    def described() -> str:
        return json.dumps(document(app))

    def openapi() -> Response:
        return _revalidated(Response(described(), content_type="application/json"))

    app.add_url_rule("/openapi.json", view_func=openapi)
    app.register_blueprint(pages)


@pages.get("/docs")
def docs() -> Response:
    """Swagger UI. Outside production the demo's key is filled in, so that a call works at once."""
    key = {} if settings().is_production else DEMO_KEY
    page = _revalidated(Response(render_template("docs.html", key=key)))
    page.headers["Content-Security-Policy"] = POLICY
    return page


def _revalidated(answer: Response) -> Response:
    """Asked about every time, sent only when it has changed."""
    answer.headers["Cache-Control"] = "no-cache"
    answer.add_etag()
    answer.make_conditional(request)
    return answer
