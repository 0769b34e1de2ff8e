"""Receives callbacks with Flask. WEBHOOK_SECRET is the endpoint's `whsec_...`."""

import os

import inbox
from flask import Flask, request
from standardwebhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024  # a callback has about 20,000 bytes at most
webhook = Webhook(os.environ["WEBHOOK_SECRET"])


@app.post("/hooks")
def receive() -> tuple[str, int]:
    raw = request.get_data()  # the bytes as they came: JSON written anew has another signature
    try:
        event = webhook.verify(raw, dict(request.headers))
    except (WebhookVerificationError, ValueError):  # ValueError: no UTF-8, no Base64
        return "The signature does not fit.", 400
    inbox.store(request.headers["webhook-id"], event)
    return "", 204


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "9000")))
