"""Sound requests of every operation, damaged in one to three places by a seeded hand."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gateway.dev.fuzz import nasty
from gateway.dev.fuzz.wire import Sent, request
from gateway.dev.seed import KEY, SECRET

WEBHOOK = "/webhooks/stripe"
PLAIN_PAGES = (
    "/healthz",
    "/docs",
    "/docs/errors",
    "/openapi.json",
    "/pay/wait",
    "/pay/pay_1_secret_2/return",
    "/checkout.js",
    "/docs/swagger/",
)
STRIPE_EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "checkout.session.completed",
    "livemode": False,
    "api_version": "2026-01-01",
    "data": {"object": {"object": "checkout.session", "id": "cs_test_1", "metadata": {}}},
}


@dataclass
class Draft:
    """A request while it is being damaged."""

    method: str
    path: bytes
    body: Any = None  # JSON until it is bytes
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunked: bool = False
    length: bytes | None = None
    sound: bool = True

    def sent(self) -> Sent:
        body = self.body
        if body is None:
            body = b""
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = [(b"Connection", b"close"), *self.headers]
        if self.chunked:
            headers.append((b"Transfer-Encoding", b"chunked"))
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        elif body or self.length is not None:
            said = b"%d" % len(body) if self.length is None else self.length
            headers.append((b"Content-Length", said))
        target = self.path + (b"?" + self.query if self.query else b"")
        sound = self.sound and len(body) <= 65_536 and len(target) < 60_000
        raw = request(self.method, target, headers, body)
        return Sent(raw, self.method, sound and self.length is None, cut=self.length is not None)


class Mutator:
    """Knows the description, the ids of what is there, and Stripe's secret."""

    def __init__(
        self, described: dict[str, Any], ids: dict[str, list[str]], secret: str, seed: int
    ) -> None:
        self.random, self.ids, self.secret = Random(seed), ids, secret
        self.shapes = described["components"]["schemas"]
        self.operations = [
            (path, method.upper(), said)
            for path, methods in described["paths"].items()
            for method, said in methods.items()
            if path.startswith("/api/")
        ]
        self.damages: list[Callable[[Draft], None]] = [
            *(
                self._field,
                self._field,
                self._field,
                self._name,
                self._body,
                self._flip,
                self._path,
            ),
            *(self._query, self._header, self._header, self._method, self._caller, self._key),
            *(self._chunk, self._length, self._twice, self._drop),
        ]

    def requests(self) -> Iterator[Sent]:
        while True:
            draft = self._draft()
            for _ in range(self.random.choice((0, 1, 1, 1, 2, 2, 3))):
                self.random.choice(self.damages)(draft)
            yield draft.sent()

    def _draft(self) -> Draft:
        dice = self.random.random()
        if dice < 0.05:
            return Draft("GET", self.random.choice(PLAIN_PAGES).encode())
        if dice < 0.15:
            return self._webhook()
        path, method, said = self.random.choice(self.operations)
        draft = Draft(method, re.sub(r"{\w+}", lambda _: self._id(path), path).encode())
        draft.headers = [(b"Host", b"gateway.example")]
        draft.headers += [(b"X-Api-Key", KEY.encode()), (b"X-Api-Secret", SECRET.encode())]
        if "requestBody" in said:
            draft.body = self._example(said)
            draft.headers.append((b"Content-Type", b"application/json"))
        return draft

    def _id(self, path: str) -> str:
        known = self.ids[path.split("/")[3]]
        return known[int(self.random.random() * len(known))]

    def _example(self, said: dict[str, Any]) -> dict[str, Any]:
        """The example, or another use of the same fields: a body that is often taken."""
        shape = said["requestBody"]["content"]["application/json"]["schema"]
        name = shape["$ref"].rpartition("/")[2]
        body = dict(self.shapes[name]["examples"][0])
        number = self.random.randrange(400)  # few enough to meet again
        for field_name, prefix in (("order_id", "pay-for"), ("reference", "ref")):
            wanted = field_name in body or self.random.random() < 0.2
            if wanted and field_name in self.shapes[name]["properties"]:
                body[field_name] = f"{prefix}-{number}"
        return body

    def _webhook(self) -> Draft:
        """An event of Stripe's, damaged and signed, or signed and damaged."""
        event: dict[str, Any] = json.loads(json.dumps(STRIPE_EVENT))
        event["id"] = f"evt_{self.random.randrange(300)}"
        event["data"]["object"]["client_reference_id"] = self._id("/api/v1/payments")
        draft = Draft("POST", WEBHOOK.encode(), event, headers=[(b"Host", b"gateway.example")])
        for _ in range(self.random.choice((0, 1, 2))):
            self.random.choice((self._field, self._inner, self._body, self._flip))(draft)
        body = draft.body if isinstance(draft.body, bytes) else json.dumps(draft.body).encode()
        at = b"%d" % time.time()
        made = hmac.new(self.secret.encode(), at + b"." + body, hashlib.sha256).hexdigest()
        draft.body = body
        draft.headers.append((b"Stripe-Signature", b"t=%s,v1=%s" % (at, made.encode())))
        return draft

    # Each damages one place, if the draft has it.

    def _field(self, draft: Draft) -> None:
        if isinstance(draft.body, dict) and draft.body:
            draft.body[self.random.choice(sorted(draft.body))] = self.random.choice(nasty.VALUES)

    def _inner(self, draft: Draft) -> None:
        inner = draft.body.get("data") if isinstance(draft.body, dict) else None
        subject = inner.get("object") if isinstance(inner, dict) else None
        if isinstance(subject, dict):
            name = self.random.choice(["id", "object", "metadata", "payment_intent", "amount"])
            subject[name] = self.random.choice(nasty.VALUES)

    def _name(self, draft: Draft) -> None:
        if isinstance(draft.body, dict):
            known = [name for shape in self.shapes.values() for name in shape.get("properties", {})]
            name = self.random.choice([*nasty.NAMES, *sorted(set(known))])
            draft.body[name] = self.random.choice(nasty.VALUES)

    def _body(self, draft: Draft) -> None:
        if draft.body is not None or self.random.random() < 0.3:
            draft.body = self.random.choice(nasty.BODIES)

    def _flip(self, draft: Draft) -> None:
        if draft.body:
            raw = draft.body if isinstance(draft.body, bytes) else json.dumps(draft.body).encode()
            where = self.random.randrange(len(raw))
            cut = where + self.random.choice((0, 1, 1, 1, 5, 10_000))
            draft.body = raw[:where] + self.random.randbytes(self.random.randrange(3)) + raw[cut:]

    def _path(self, draft: Draft) -> None:
        parts = draft.path.split(b"/")
        value = self.random.choice([*nasty.IDS, self.random.randbytes(3).hex().encode()])
        if self.random.random() < 0.7:
            parts[self.random.randrange(len(parts) - 1, len(parts))] = value
        else:
            parts.insert(self.random.randrange(1, len(parts) + 1), value)
        draft.path = b"/".join(parts)

    def _query(self, draft: Draft) -> None:
        draft.query += (b"&" if draft.query else b"") + self.random.choice(nasty.QUERIES)

    def _header(self, draft: Draft) -> None:
        name, value = self.random.choice(nasty.HEADERS)
        draft.headers = [each for each in draft.headers if each[0] != name]
        draft.headers.append((name, value))

    def _twice(self, draft: Draft) -> None:
        if draft.headers:
            draft.headers.append(self.random.choice([*draft.headers, *nasty.HEADERS]))

    def _drop(self, draft: Draft) -> None:
        if draft.headers:
            draft.headers.pop(self.random.randrange(len(draft.headers)))

    def _method(self, draft: Draft) -> None:
        draft.method = self.random.choice(nasty.METHODS)

    def _caller(self, draft: Draft) -> None:
        kept = [each for each in draft.headers if not each[0].startswith(b"X-Api")]
        keys = [(b"X-Api-Key", self.random.choice((KEY.encode(), b"key_test_none", b"")))]
        secrets = [(b"X-Api-Secret", self.random.choice((SECRET.encode(), b"wrong", b"")))]
        draft.headers = kept + self.random.choice((keys, secrets, keys + secrets, []))

    def _key(self, draft: Draft) -> None:
        draft.headers.append((b"Idempotency-Key", b"key-%d" % self.random.randrange(200)))

    def _chunk(self, draft: Draft) -> None:
        draft.chunked, draft.length = True, None

    def _length(self, draft: Draft) -> None:
        draft.chunked, draft.length = False, self.random.choice(nasty.LENGTHS)
