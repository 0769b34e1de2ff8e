"""The widget and the pages' own files. For everybody, from any page, and never with a cookie.

`/checkout.js` is the newest widget; `/checkout/<version>.js` never changes, so that a shop can pin
it with its hash. `python -m gateway.dev.widget` writes both after an edit.
"""

import json
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request

from gateway.checkout.words import DIALOG
from gateway.kernel.errors import NotFound

FOLDER = Path(__file__).with_name("static")
RELEASED = FOLDER / "released"  # the versions before the newest, as they were
INTEGRITY = FOLDER / "integrity.json"  # version: hash, as `<script integrity>` takes it

_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
_SOON, _NEVER = "public, max-age=300", "public, max-age=31536000, immutable"
# Other sites embed it: without this a page that isolates itself could not load it.
_FOR_ALL = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}

assets = Blueprint("assets", __name__)


@cache
def versions() -> dict[str, str]:
    """Every version that can be pinned, with its hash; the newest last."""
    known: dict[str, str] = json.loads(INTEGRITY.read_text())
    return known


@assets.get("/checkout.js")
def widget() -> Response:
    return _file(FOLDER / "checkout.js", _SCRIPT, _SOON, _FOR_ALL)


@assets.get("/checkout/<version>.js")
def pinned_widget(version: str) -> Response:
    if version not in versions():
        raise NotFound(f"There is no version {version!r}; there are {', '.join(versions())}.")
    is_newest = version == list(versions())[-1]
    path = FOLDER / "checkout.js" if is_newest else RELEASED / f"{version}.js"
    return _file(path, _SCRIPT, _NEVER, _FOR_ALL)


@assets.get("/checkout/words/<language>.json")
def dialog_words(language: str) -> Response:
    """What the widget's dialog says in another language than its own English."""
    if language in DIALOG:
        answer = Response(json.dumps(DIALOG[language]), content_type="application/json")
    else:  # no error: the widget keeps its English
        answer = Response(status=204)
    answer.headers.update(_FOR_ALL | {"Cache-Control": _SOON})
    return answer


@assets.get("/checkout.d.ts")
def widget_types() -> Response:
    return _file(FOLDER / "checkout.d.ts", "text/plain; charset=utf-8", _SOON, _FOR_ALL)


@assets.get("/pay/assets/pay.css")
def page_style() -> Response:
    return _file(FOLDER / "pay.css", _STYLE, _SOON, {})


@assets.get("/pay/assets/pay.js")
def page_script() -> Response:
    return _file(FOLDER / "pay.js", _SCRIPT, _SOON, {})


def _file(path: Path, kind: str, kept: str, more: dict[str, str]) -> Response:
    answer = Response(_bytes(path), content_type=kind, headers=more)
    answer.headers["Cache-Control"] = kept
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()
