"""Pages for shoppers. The visit of a return page proves nothing, so it promises nothing."""

from flask import Blueprint, Response, render_template, request

pages = Blueprint("checkout", __name__, template_folder="templates")

_STYLE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@pages.get("/pay/return")
def pay_return() -> Response:
    """Where Stripe sends a shopper whose shop gave no return_url."""
    cancelled = request.args.get("outcome") == "cancelled"
    page = Response(render_template("return.html", cancelled=cancelled))
    page.headers["Content-Security-Policy"] = _STYLE
    return page
