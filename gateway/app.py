"""`create_app()`: the only place that knows every route."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from gateway import health, metrics, openapi
from gateway.callbacks.feed_routes import api as events
from gateway.callbacks.routes import api as callbacks
from gateway.captures.routes import api as captures
from gateway.checkout.assets import assets
from gateway.checkout.pages import pages
from gateway.checkout.routes import checkouts, opening
from gateway.disputes.routes import api as disputes
from gateway.inventory.routes import api as inventory
from gateway.kernel import logs, problems, requests
from gateway.kernel.db import refuse_wrong_role
from gateway.kernel.http import MAX_BODY
from gateway.merchants.routes import api as merchants
from gateway.orders.routes import api as orders
from gateway.payments.routes import api as payments
from gateway.reconciliation.routes import api as reconciliations
from gateway.refunds.routes import api as refunds
from gateway.settings import settings
from gateway.settlement.routes import api as settlement
from gateway.stripe_events.routes import webhooks
from gateway.timeline.routes import api as timeline


def create_app() -> Flask:
    """The web process. Raises `InvalidSettings` or `WrongRole` when it must not run like this."""
    settings()
    logs.configure("web")
    refuse_wrong_role()
    app = Flask("gateway", static_folder=None)
    if proxies := settings().trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=0)  # type: ignore[method-assign]
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.strict_slashes = True
    # One address for each thing: no redirects, which would lead to whatever Host was sent.
    app.url_map.merge_slashes = False
    requests.init_app(app)
    problems.init_app(app)
    doors = (
        *(merchants, callbacks, inventory, orders, payments, captures, refunds, disputes),
        *(
            settlement,
            reconciliations,
            timeline,
            webhooks,
            events,
            opening,
            checkouts,
            pages,
            assets,
        ),
    )
    for blueprint in doors:
        app.register_blueprint(blueprint)
    health.init_app(app)
    openapi.init_app(app)
    metrics.init_app(app)
    return app
