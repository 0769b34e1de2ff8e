"""The door: who is calling, is the body well formed, then one transaction, then JSON.

Routes are declared with `read`, `write` and `receive`; there is no other way in.

    read      authenticated GET, one transaction
    write     authenticated, one transaction; with an Idempotency-Key the answer is stored in it
              and a repeated key gets the stored answer
    receive   a provider's webhook: verified on its raw bytes, then one transaction
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from flask import Blueprint, Response, request
from marshmallow import Schema
from sqlalchemy.orm import Session

from gateway.kernel import limits, logs
from gateway.kernel.bodies import load_body, load_query, raw_body
from gateway.kernel.db import transaction
from gateway.kernel.errors import Forbidden, GatewayError, Invalid, NotFound, Unauthenticated
from gateway.kernel.fields import Strict
from gateway.kernel.idempotency import Answer, fingerprint, once
from gateway.kernel.pages import Page
from gateway.kernel.waiting import until_changed

PREFIX = "/api/v1"
MAX_BODY = 64 * 1024
NOTHING = Strict()  # a query or a body with anything in it is refused
# Two of these headers arrive as one, joined by a comma: another key, and the same on each repeat.
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_PATH_VALUE = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True)
class Caller:
    """On whose behalf a request runs; every query is filtered by merchant and mode."""

    merchant_id: str
    livemode: bool
    key_id: str
    kind: str = "key"  # or `shopper`: without the secret

    @property
    def actor(self) -> str:
        return f"{self.kind}:{self.key_id}"

    @property
    def keys_begin(self) -> str:
        """Before each of its Idempotency-Keys: a stranger with what a shop's page shows must not be
        able to take those of the shop's server. It has a space, which no key has.
        """
        return "" if self.kind == "key" else f"{self.kind} "


Authenticate = Callable[[Session], Caller]
Count = Callable[[Caller], None]
Route = Callable[..., Any]
News = TypeVar("News")


@dataclass(frozen=True)
class Reply(Generic[News]):
    """What a route answers when the status is not the declared one."""

    resource: News
    status: int


@dataclass(frozen=True)
class Declared:
    """What a route said of itself; the API's description is made of these."""

    method: str
    door: str
    returns: Schema
    status: int = 200
    accepts: Schema | None = None
    query: Schema | None = None
    waits: str | None = None
    public: bool = False
    also: Mapping[int, str] = field(default_factory=dict)
    refuses: tuple[type[GatewayError], ...] = ()


def count_key(caller: Caller) -> None:
    limits.count_call(caller.key_id)


class Api(Blueprint):
    """The routes of one domain. `authenticate` reads the request, and `count` keeps its caller to a
    pace; who calls `public` ones needs no secret.
    """

    def __init__(
        self,
        name: str,
        *,
        authenticate: Authenticate,
        count: Count = count_key,
        public: bool = False,
    ) -> None:
        super().__init__(name, name, url_prefix=PREFIX)
        self.authenticate, self.count, self.public = authenticate, count, public

    def read(
        self,
        rule: str,
        *,
        returns: Schema,
        query: Schema | None = None,
        waits: str | None = None,
        refuses: tuple[type[GatewayError], ...] = (),
    ) -> Callable[[Route], Route]:
        """Declare a GET. The route gets `(tx, caller, [query,] **path)`.

        `Prefer: wait=N` holds the answer until the field that `waits` names changes.
        """

        def declare(route: Route) -> Route:
            def look(path: dict[str, str], *, again: bool = False) -> Answer:
                with transaction(actor="api") as tx:
                    caller = self._who(tx, again=again)
                    asked = load_query(query or NOTHING)
                    more = () if query is None else (asked,)
                    return _answer(returns, route(tx, caller, *more, **path), 200)

            @wraps(route)
            def view(**path: str) -> Response:
                _check_path(path)
                answer = look(path)
                if waits:
                    answer = until_changed(answer, lambda: look(path, again=True), waits)
                return _send(answer)

            said = Declared("GET", "read", returns, query=query, waits=waits, refuses=refuses)
            self._add(rule, view, route, said)
            return route

        return declare

    def write(
        self,
        rule: str,
        *,
        returns: Schema,
        accepts: Schema | None = None,
        status: int = 200,
        also: Mapping[int, str] = MappingProxyType({}),
        method: str = "POST",
        shows_secret: bool = False,
        refuses: tuple[type[GatewayError], ...] = (),
    ) -> Callable[[Route], Route]:
        """Declare a change. The route gets `(tx, caller, body, **path)`.

        `also` are the statuses of its `Reply`s and what they mean, `refuses` the errors that other
        routes have not.
        """

        def declare(route: Route) -> Route:
            @wraps(route)
            def view(**path: str) -> Response:
                _check_path(path)
                raw, key = raw_body(MAX_BODY), _idempotency_key() if method == "POST" else None
                with transaction(actor="api") as tx:
                    caller = self._who(tx)
                    load_query(NOTHING)
                    body = load_body(accepts or NOTHING, raw)

                    def run() -> Answer:
                        return _answer(returns, route(tx, caller, body, **path), status)

                    answer = _once(tx, caller, key, body, run, secret=shows_secret)
                return _send(answer)

            said = Declared(method, "write", returns, status, accepts, also=also, refuses=refuses)
            self._add(rule, view, route, said)
            return route

        return declare

    def _who(self, tx: Session, *, again: bool = False) -> Caller:
        """Who calls; counted once for each request, however often it looks `again`."""
        try:
            caller = self.authenticate(tx)
        except (Unauthenticated, Forbidden):
            limits.count_refusal(request.remote_addr)
            raise
        if not again:
            self.count(caller)
        tx.info["actor"] = caller.actor
        logs.add(actor=caller.actor)
        return caller

    def _add(self, rule: str, view: Any, route: Route, declared: Declared) -> None:
        view.door, view.declared = declared.door, replace(declared, public=self.public)
        self.add_url_rule(rule, endpoint=route.__name__, view_func=view, methods=[declared.method])


def receive(
    blueprint: Blueprint, rule: str, *, verify: Callable[[bytes], News], limit: int
) -> Callable[[Callable[[Session, News], dict[str, Any]]], Any]:
    """Declare a provider's webhook: `verify` reads the raw body, at most `limit` bytes of it."""

    def declare(route: Callable[[Session, News], dict[str, Any]]) -> Any:
        @wraps(route)
        def view() -> Response:
            raw = raw_body(limit)
            try:
                news = verify(raw)
            except GatewayError:
                limits.count_refusal(request.remote_addr)
                raise
            with transaction(actor="stripe") as tx:
                body = json.dumps(route(tx, news))
            return _send(Answer(status=200, body=body))

        view.door = "receive"  # type: ignore[attr-defined]
        blueprint.add_url_rule(rule, view_func=view, methods=["POST"])
        return route

    return declare


def dump(schema: Schema, result: Any) -> Any:
    if isinstance(result, Page):
        return {"data": schema.dump(result.data, many=True), "has_more": result.has_more}
    return schema.dump(result)


def _answer(schema: Schema, result: Any, status: int) -> Answer:
    if isinstance(result, Reply):
        result, status = result.resource, result.status
    return Answer(status=status, body=json.dumps(dump(schema, result)))


def _once(
    tx: Session,
    caller: Caller,
    key: str | None,
    body: dict[str, Any],
    run: Callable[[], Answer],
    *,
    secret: bool,
) -> Answer:
    if key is None:
        return run()
    return once(
        tx,
        merchant_id=caller.merchant_id,
        livemode=caller.livemode,
        key=f"{caller.keys_begin}{key}",
        request=fingerprint(request.path, body),
        secret=secret,
        run=run,
    )


def _send(answer: Answer) -> Response:
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    return Response(answer.body, answer.status, headers, content_type="application/json")


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise Invalid.param("Idempotency-Key", "Must be 1 to 255 visible ASCII characters.")
    return key


def _check_path(path: dict[str, str]) -> None:
    """No id of ours has other characters, and PostgreSQL cannot even be asked about some."""
    for value in path.values():
        if not _PATH_VALUE.fullmatch(value):
            raise NotFound("There is nothing with such an id.")
