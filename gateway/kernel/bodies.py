"""Reading requests: strict JSON in, through a schema. Nothing here touches the database.

What cannot be read is 400, what is not JSON by its label 415, what the schema refuses 422.
"""

import json
import threading
from typing import Any, NoReturn

from flask import request
from marshmallow import Schema, ValidationError

from gateway.kernel.errors import (
    BodyTooLarge,
    FieldError,
    Invalid,
    Unavailable,
    Unparsable,
    UnsupportedMediaType,
)

MAX_DEPTH = 20
MAX_FAULTS = 100  # told at once: a body may hold thousands, and the answer must not outgrow it
_DIGITS = 40  # no number of ours has more; CPython refuses to read thousands


# A web process has eight threads or more. Senders who never finish may hold half of them, so that
# whoever reads, and the health checks, still get through. There is no deadline: the server has
# none, and stands still over a body that another thread reads. A proxy that buffers frees them all.
_readers = threading.BoundedSemaphore(4)
_PATIENCE_SECONDS = 1.0


def raw_body(most: int) -> bytes:
    """The body as sent; read whole before a transaction opens, since the sender may be slow."""
    if not _readers.acquire(timeout=_PATIENCE_SECONDS):
        raise Unavailable("Too many requests with unfinished bodies are open.", retry_after=1)
    # A body that comes in chunks, without saying how long it is, would be cut here in silence.
    request.max_content_length = most if request.content_length is not None else most + 1
    try:
        raw = request.get_data(cache=True)
    finally:
        _readers.release()
    if len(raw) > most:
        raise BodyTooLarge(f"{most // 1024} KiB is the most that is taken.")
    # What has arrived of a sender who is gone may look whole; it is not what they meant to send.
    if len(raw) < (request.content_length or 0):
        raise Unparsable(f"The body ended after {len(raw)} of {request.content_length} bytes.")
    return raw


def load_body(schema: Schema, raw: bytes) -> dict[str, Any]:
    """The body through `schema`. An empty body is `{}`: a schema with required fields says so."""
    if not raw and not request.mimetype:
        return load(schema, {})
    if request.mimetype != "application/json":
        sent = request.mimetype or "no Content-Type"
        raise UnsupportedMediaType(f"Sent: {sent}. Send Content-Type: application/json.")
    if request.content_encoding:
        raise UnsupportedMediaType("Send the body as it is, without Content-Encoding.")
    return load(schema, parse(raw))


def load_query(schema: Schema) -> dict[str, Any]:
    query = request.args.to_dict(flat=False)
    for name, values in query.items():
        if len(values) > 1:
            raise Invalid.param(name, f"Was given {len(values)} times; give it once.")
    return load(schema, {name: values[0] for name, values in query.items()})


def load(schema: Schema, data: Any) -> dict[str, Any]:
    try:
        return dict(schema.load(data))
    except ValidationError as error:
        errors = tuple(_flatten(error.messages)[:MAX_FAULTS])
    detail = "; ".join(f"{each.param}: {each.message}" for each in errors)
    raise Invalid(detail, errors=errors) from None


def parse(raw: bytes) -> dict[str, Any]:
    """One JSON object, UTF-8, each name once, no NaN. Raises `Unparsable`."""
    try:
        text = raw.decode("utf-8")
        data = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_integer,
        )
        depth = _depth(data)
    except UnicodeDecodeError as error:
        raise Unparsable(f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    except RecursionError:
        raise Unparsable(
            f"The body is nested too deeply; {MAX_DEPTH} levels are allowed."
        ) from None
    except ValueError as error:
        raise Unparsable(f"The body is not JSON: {error}.") from None
    if not isinstance(data, dict):
        raise Unparsable(f"Send a JSON object, {{...}}; this is {_kind(data)}.")
    if depth > MAX_DEPTH:
        raise Unparsable(f"The body is nested {depth} levels deep; {MAX_DEPTH} are allowed.")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name appears twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _flatten(messages: Any, path: str = "") -> list[FieldError]:
    if isinstance(messages, dict):
        found = []
        for name, inner in messages.items():
            step = f"[{name}]" if isinstance(name, int) else f".{name}"
            found += _flatten(inner, (path + step).lstrip("."))
        return found
    path = path.removesuffix("._schema")
    return [FieldError(path, str(message)) for message in messages]
