"""The gateway as a merchant's server sees it: a URL, a key and a secret.

Every refusal is a `Problem` with the gateway's own words. Never shows the secret, not even in repr.
"""

import time
from typing import Any
from urllib.parse import quote

import requests

CONNECT_SECONDS, READ_SECONDS = 2, 15
TRIES = 5  # of a POST that the gateway asks us to repeat with the same key
MAX_WAIT_SECONDS = 1.0


class Unreachable(Exception):
    """No answer, or one that is not the gateway's: nothing is known about what was asked."""


class Problem(Exception):
    """The gateway answered, and refused (RFC 9457)."""

    def __init__(self, answer: requests.Response) -> None:
        try:
            body = answer.json()
        except ValueError:
            body = {}
        if not isinstance(body, dict):
            body = {}
        self.status = answer.status_code
        self.code = str(body.get("code", ""))
        self.title = str(body.get("title") or f"The gateway answered {answer.status_code}.")
        self.detail = str(body.get("detail") or "It gave no reason.")
        self.request_id = str(body.get("request_id") or answer.headers.get("Request-Id", ""))
        super().__init__(f"{self.title} {self.detail}")

    @property
    def is_temporary(self) -> bool:
        """The first of two equal requests is still being answered, or the database is away."""
        return self.code == "idempotency_key_in_use" or self.status in (429, 503)


def segment(name: str) -> str:
    """`name` as one part of a path, whatever characters it has."""
    return quote(name, safe="")


class Gateway:
    def __init__(self, url: str, *, key: str, secret: str) -> None:
        self.url = url
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of the environment has no business here
        self._http.headers.update({"X-Api-Key": key, "X-Api-Secret": secret})

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        return self._call("GET", path, params=params)

    def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """With an idempotency `key` it is safe to repeat, so it is, as long as asked to."""
        headers = {} if key is None else {"Idempotency-Key": key}
        for _ in range(TRIES - 1 if key else 0):
            try:
                return self._call("POST", path, json=body, headers=headers)
            except Problem as problem:
                if not problem.is_temporary:
                    raise
                time.sleep(MAX_WAIT_SECONDS / 2)
        return self._call("POST", path, json=body, headers=headers)

    def delete(self, path: str) -> dict[str, Any]:
        return self._call("DELETE", path)

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(
                method,
                f"{self.url}/api/v1{path}",
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                **options,
            )
            if not answer.ok:
                raise Problem(answer)
            body = answer.json()
        except requests.RequestException:
            raise Unreachable(f"The gateway at {self.url} does not answer.") from None
        if answer.is_redirect or not isinstance(body, dict):
            raise Unreachable(f"What answers at {self.url} is not the gateway.")
        return body
