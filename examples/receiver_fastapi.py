"""Receives callbacks with FastAPI. WEBHOOK_SECRET is the endpoint's `whsec_...`."""

import os
from typing import Annotated

import inbox
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError

MOST_BYTES = 64 * 1024  # a callback has about 20,000 at most

app = FastAPI()
webhook = Webhook(os.environ["WEBHOOK_SECRET"])


async def raw_body(request: Request) -> bytes:
    """The bytes as they came: JSON written anew has another signature."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise HTTPException(413)
    return raw


@app.post("/hooks", status_code=204)
def receive(request: Request, raw: Annotated[bytes, Depends(raw_body)]) -> None:
    """A plain `def` runs in a thread of its own: the database holds up nobody else."""
    try:
        event = webhook.verify(raw, dict(request.headers))
    except (WebhookVerificationError, ValueError):  # ValueError: no UTF-8, no Base64
        raise HTTPException(400, "The signature does not fit.") from None
    inbox.store(request.headers["webhook-id"], event)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "9000")))
