"""Lists with Stripe's cursors and filters, and expansion of ids into the objects they name."""

from collections.abc import Callable
from typing import Any

from gateway.dev.sandbox import balance, events, objects, shapes
from gateway.dev.sandbox.context import Work
from gateway.dev.sandbox.errors import invalid, missing_resource
from gateway.dev.sandbox.store import Object

_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_DEEPEST = 4


class Query:
    """SQL conditions on the objects of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.conditions = ["kind = ?"]
        self.args: list[Any] = [kind]

    def where(self, condition: str, *args: Any) -> None:
        self.conditions.append(condition)
        self.args += args

    def equals(self, column: str, value: Any) -> None:
        if value is not None:
            self.where(f"{column} = ?", value)

    def mentions(self, field: str, value: Any) -> None:
        """For fields that have no column of their own."""
        self.equals(f"json_extract(document, '$.{field}')", value)


def page(work: Work, query: Query, url: str, values: dict[str, Any]) -> Object:
    """One page, newest first; `ending_before` walks back towards the newest."""
    limit = values.get("limit", 10)
    if not 1 <= limit <= 100:
        side = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
        raise invalid(
            f"This value must be {side}.", param="limit", code="parameter_invalid_integer"
        )
    _created(query, values.get("created"))
    backwards = _cursor(work, query, values)
    found = _select(work, query, limit=limit + 1, backwards=backwards)
    data = found[:limit]
    if backwards:
        data.reverse()
    data = [shown(work, obj) for obj in data]
    return objects.collection(url, data, has_more=len(found) > limit)


def _created(query: Query, created: Any) -> None:
    bounds = {} if created is None else created
    if isinstance(bounds, int):
        query.equals("created", bounds)
        return
    for name, bound in bounds.items():
        query.where(f"created {_COMPARISONS[name]} ?", bound)


def _cursor(work: Work, query: Query, values: dict[str, Any]) -> bool:
    """Narrow to one side of the cursor; True when walking towards newer objects."""
    after, before = values.get("starting_after"), values.get("ending_before")
    if after is not None and before is not None:
        raise invalid("You may only specify one of these parameters: starting_after, ending_before")
    name, id = ("ending_before", before) if before is not None else ("starting_after", after)
    if id is None:
        return False
    sql = "SELECT seq FROM objects WHERE id = ? AND kind = ?"
    row = work.tx.execute(sql, id, query.kind).fetchone()
    if row is None:
        raise missing_resource(query.kind, id, param=name, status=400)
    query.where("seq > ?" if before is not None else "seq < ?", row[0])
    return before is not None


def _select(work: Work, query: Query, *, limit: int, backwards: bool) -> list[Object]:
    return work.tx.documents(
        f"WHERE {' AND '.join(query.conditions)} ORDER BY seq {'ASC' if backwards else 'DESC'}"
        " LIMIT ?",
        *query.args,
        limit,
    )


def expand(work: Work, obj: Object, paths: list[str]) -> Object:
    for path in paths:
        steps = path.split(".")
        if len(steps) - (steps[0] == "data") > _DEEPEST:
            raise invalid(f"You cannot expand more than {_DEEPEST} levels of a property: {path}")
        _expand(work, obj, steps, path)
    return obj


def _expand(work: Work, obj: Object, steps: list[str], path: str) -> None:
    if not steps:
        return
    if obj["object"] == "list":
        if steps[0] != "data":
            raise invalid(f"This property cannot be expanded ({path}).")
        for item in obj["data"]:
            _expand(work, item, steps[1:], path)
        return
    name = steps[0]
    cls = shapes.class_named(obj["object"])
    if cls is None or name not in shapes.fields_of(cls):
        raise invalid(f"This property cannot be expanded ({path}).")
    reader = _READERS.get((obj["object"], name))
    if reader is not None and not isinstance(obj.get(name), dict):
        obj[name] = reader(work, obj)
    inner = obj.get(name)
    if isinstance(inner, dict) and "object" in inner:
        # A list inside an object may be expanded with or without saying `data`.
        rest = steps[1:]
        if inner["object"] == "list" and rest and rest[0] != "data":
            rest = ["data", *rest]
        _expand(work, inner, rest, path)


def _session_items(work: Work, session: Object) -> Object:
    items = work.tx.notes(session["id"])["items"]
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return objects.collection(url, [objects.line_item(item) for item in items])


def _charge_refunds(work: Work, charge: Object) -> Object:
    query = Query("refund")
    query.equals("payment_intent", charge["payment_intent"])
    query.mentions("charge", charge["id"])
    return page(work, query, f"/v1/charges/{charge['id']}/refunds", {})


def _named_by(field: str) -> Callable[[Work, Object], Object | None]:
    def read(work: Work, obj: Object) -> Object | None:
        found = work.tx.find(obj[field] or "")
        return shown(work, found) if found else None

    return read


def shown(work: Work, obj: Object) -> Object:
    """As it looks at this moment: some things are not written down because they follow."""
    look = _SHOWN.get(obj["object"])
    return look(work, obj) if look else obj


_SHOWN: dict[str, Callable[[Work, Object], Object]] = {
    "event": lambda work, event: events.shown(work.tx, event),
    "balance_transaction": balance.shown,
}
_LINKS = {
    "checkout.session": ["payment_intent"],
    "payment_intent": ["latest_charge"],
    "charge": ["payment_intent", "balance_transaction"],
    "refund": ["payment_intent", "charge", "balance_transaction", "failure_balance_transaction"],
    "dispute": ["payment_intent", "charge"],
    "balance_transaction": ["source"],
}
_READERS: dict[tuple[str, str], Callable[[Work, Object], Object | None]] = {
    ("checkout.session", "line_items"): _session_items,
    ("charge", "refunds"): _charge_refunds,
} | {(kind, field): _named_by(field) for kind, fields in _LINKS.items() for field in fields}
