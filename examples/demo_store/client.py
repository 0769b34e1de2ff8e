"""The gateway as a merchant's server sees it: a URL, a key and a secret. To be copied.

Whatever it refuses is a `Problem` in its own words. It tells the journal what it asked, never with
the secret.
"""

import time
from collections.abc import Callable
from typing import Any

import requests

TRIES = 5  # of a call that may be repeated, because it carries an idempotency key
CONNECT_SECONDS, READ_SECONDS = 2, 15
AWAY = {
    "title": "The gateway cannot be reached.",
    "detail": "Nothing is lost, and trying again is safe: you cannot buy twice by it.",
    "code": "unreachable",
}


class Problem(Exception):
    """The gateway refused, and says why (RFC 9457); or there was no answer of it, which is 503."""

    def __init__(self, status: int, body: dict[str, Any], request_id: str = "") -> None:
        self.status = status
        self.code = str(body.get("code") or "")
        self.title = str(body.get("title") or f"The gateway answered {status}.")
        self.detail = str(body.get("detail") or "It gave no reason.")
        self.request_id = str(body.get("request_id") or request_id)
        super().__init__(f"{self.title} {self.detail}")

    @property
    def is_temporary(self) -> bool:
        """The first of two equal requests is still being answered, or it cannot just now."""
        return self.code == "idempotency_key_in_use" or self.status in (429, 503)


class Gateway:
    def __init__(self, key: str, secret: str, told: Callable[..., None]) -> None:
        self.url = "http://127.0.0.1:8000"
        self.key = key
        self._secret = secret
        self._told = told
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of the environment has no business here

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._ask("GET", path, params=query)

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask("PUT", path, json=body)

    def delete(self, path: str) -> dict[str, Any]:
        return self._ask("DELETE", path)

    def post(self, path: str, body: dict[str, Any], *, key: str = "") -> dict[str, Any]:
        """With an idempotency `key` it is safe to repeat, so it is, as long as asked to."""
        headers = {"Idempotency-Key": key} if key else {}
        for _ in range(TRIES - 1 if key else 0):
            try:
                return self._ask("POST", path, json=body, headers=headers)
            except Problem as problem:
                if not problem.is_temporary or problem.code == AWAY["code"]:
                    raise
                time.sleep(0.5)
        return self._ask("POST", path, json=body, headers=headers)

    def _ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any
    ) -> dict[str, Any]:
        began, status, request_id = time.monotonic(), 0, ""
        who = {"X-Api-Key": self.key, "X-Api-Secret": self._secret}
        try:
            answer = self._http.request(
                method,
                f"{self.url}/api/v1{path}",
                headers=who | (headers or {}),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                **sent,
            )
            status, request_id = answer.status_code, answer.headers.get("Request-Id", "")
        except requests.RequestException:  # nothing is known about what was asked
            raise Problem(503, AWAY) from None
        finally:
            seconds = time.monotonic() - began
            self._told(method, path, sent.get("params") or {}, status, seconds, request_id)
        return _read(answer, request_id)


def _read(answer: requests.Response, request_id: str) -> dict[str, Any]:
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        said = None
    known = said if isinstance(said, dict) else {}
    if answer.status_code >= 400:
        raise Problem(answer.status_code, known, request_id)
    if answer.status_code >= 300 or not known:
        raise Problem(503, AWAY | {"title": f"What answers at {answer.url} is not the gateway."})
    return known
