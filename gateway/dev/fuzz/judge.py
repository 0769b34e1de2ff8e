"""What is wrong with an answer, in words; nothing, if it keeps the contract.

Never lenient for a request's sake: however bad it was, the answer has to be in form.
"""

import json
import re
from typing import Any

from gateway.dev.fuzz.wire import Answer, Sent

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
# What the HTTP server refuses before the application hears of it.
BY_SERVER = {400, 408, 413, 414, 431, 501, 505}
INSIDES = re.compile(rb"Traceback \(most|psycopg2|sqlalchemy|site-packages|\.py\", line|werkzeug")
REQUEST_ID = re.compile("req_[0-9a-hjkmnp-tv-z]{26}")


def kind(answer: Answer) -> str:
    """What it is counted as: its status, and who gave it."""
    if answer.status == 0:
        return "hung" if answer.hung else "closed"
    by_server = answer.status >= 400 and "request-id" not in answer.headers
    return f"{answer.status} (server)" if by_server else str(answer.status)


def judge(sent: Sent, answer: Answer) -> list[str]:
    """Everything that is wrong."""
    if answer.hung:
        return ["no whole answer in time"]
    if answer.status == 0:
        return ["hung up on a sound request"] if sent.sound or answer.body else []
    found = []
    if INSIDES.search(answer.body):
        found.append("shows the gateway's insides")
    if answer.status >= 500 and answer.status not in (501, 503, 505):
        found.append(f"failed with {answer.status}")
    if answer.status in (429, 503) and not answer.headers.get("retry-after", "").isdigit():
        found.append(f"{answer.status} without Retry-After")
    if "request-id" not in answer.headers:
        refused = answer.status in BY_SERVER and not answer.body
        return found if refused else [*found, f"{answer.status} without Request-Id"]
    if not REQUEST_ID.fullmatch(answer.headers["request-id"]):
        found.append("a forged Request-Id")
    return [*found, *(_refusal(sent, answer) if answer.status >= 400 else _success(sent, answer))]


def _success(sent: Sent, answer: Answer) -> list[str]:
    if 300 <= answer.status < 400 and answer.status != 304:
        return ["redirects"]
    is_json = answer.headers.get("content-type") == "application/json"
    if is_json and sent.method != "HEAD" and answer.body and _json(answer.body) is None:
        return ["a success that is no JSON"]
    return []


def _refusal(sent: Sent, answer: Answer) -> list[str]:
    headers = answer.headers
    found = []
    if headers.get("content-type") != "application/problem+json":
        found.append(f"{answer.status} as {headers.get('content-type')}")
    for status, name in ((405, "allow"), (401, "www-authenticate")):
        if answer.status == status and name not in headers:
            found.append(f"{status} without {name}")
    return found if sent.method == "HEAD" else [*found, *_problem(answer)]


def _problem(answer: Answer) -> list[str]:
    body = _json(answer.body)
    if not isinstance(body, dict):
        return ["a problem that is no JSON object"]
    found = []
    if missing := MEMBERS - set(body):
        found.append(f"a problem without {', '.join(sorted(missing))}")
    if body.get("status") != answer.status:
        found.append("a problem with another status")
    if body.get("request_id") != answer.headers["request-id"]:
        found.append("a problem with another request_id")
    if body.get("code") == "invalid_request" and not body.get("errors"):
        found.append("a refusal that names no parameter")
    return found


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
