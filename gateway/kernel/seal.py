"""Secrets at rest and names derived from the one secret key. Never logs what it handles.

AES-256-GCM bound to its row: a sealed value copied to another row does not open.
"""

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.settings import settings

_NONCE_BYTES = 12


def derive(purpose: str, text: str = "") -> bytes:
    """32 bytes that only the holder of `GATEWAY_SECRET_KEY` can make, another for each purpose."""
    purpose_key = hmac.digest(settings().secret_key.encode(), purpose.encode(), "sha256")
    return hmac.digest(purpose_key, text.encode(), "sha256")


@cache
def _cipher() -> AESGCM:
    return AESGCM(derive("seal"))


def seal(text: str, *, bound_to: str) -> str:
    """Encrypt; `bound_to` names the row (`table:id`) and must be given again to open it."""
    nonce = os.urandom(_NONCE_BYTES)
    return urlsafe_b64encode(
        nonce + _cipher().encrypt(nonce, text.encode(), bound_to.encode())
    ).decode()


def unseal(sealed: str, *, bound_to: str) -> str:
    """Raises `cryptography.exceptions.InvalidTag` for another row, key or byte."""
    raw = urlsafe_b64decode(sealed)
    return _cipher().decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to.encode()).decode()
