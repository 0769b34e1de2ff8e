"""Puts the sandbox's parts into one Flask application. Starts no thread and opens no port."""

from flask import Flask, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from gateway.dev.sandbox import api, control, pages
from gateway.dev.sandbox.context import Sandbox
from gateway.dev.sandbox.errors import server_error, unrecognised_url


def create_app(sandbox: Sandbox) -> Flask:
    app = Flask(__name__, static_url_path="/assets")
    app.register_blueprint(api.blueprint(sandbox))
    app.register_blueprint(control.blueprint(sandbox))
    app.register_blueprint(pages.blueprint(sandbox))

    @app.before_request
    def read_the_whole_body() -> None:
        # What is left unread would be taken for the next request on a kept-alive connection.
        request.get_data(cache=True, parse_form_data=False)

    @app.errorhandler(404)
    def not_found(_: NotFound) -> ResponseReturnValue:
        return unrecognised_url(request.method, request.path).body, 404

    @app.errorhandler(500)
    def broken(_: Exception) -> ResponseReturnValue:
        return server_error().body, 500

    return app
