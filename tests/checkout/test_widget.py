"""The widget as a file: its size, its types, its versions, and who may load it."""

import gzip
import json
import re

import pytest
from node_support import NODE, install

from gateway.checkout.assets import INTEGRITY, RELEASED
from gateway.checkout.codes import CODES
from gateway.checkout.service import REASONS
from gateway.checkout.words import DIALOG
from gateway.dev import widget
from gateway.dev.places import ROOT

WRITTEN_BY = "run .venv/bin/python -m gateway.dev.widget"


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    return install(ROOT / "tests/node", tmp_path_factory.mktemp("node") / "tools")


def test_its_types_are_strict_and_their_declarations_kept(tools):
    assert widget.types(tools, node=NODE) == widget.TYPES.read_text(), WRITTEN_BY


def test_a_mistake_in_its_types_is_seen(tools, tmp_path, monkeypatch):
    wrong = tmp_path / "checkout.js"
    wrong.write_text(widget.WIDGET.read_text().replace('let state = "idle"', "let state = 7"))
    monkeypatch.setattr(widget, "WIDGET", wrong)

    with pytest.raises(SystemExit, match="error TS"):
        widget.types(tools, node=NODE)


def test_it_is_small():
    assert len(gzip.compress(widget.WIDGET.read_bytes(), 9)) <= widget.MOST_BYTES


def test_every_version_is_what_it_was():
    known = json.loads(INTEGRITY.read_text())
    files = {path.stem: path for path in RELEASED.glob("*.js")} | {widget.version(): widget.WIDGET}

    assert list(known)[-1] == widget.version(), WRITTEN_BY
    assert {v: widget.integrity(path.read_bytes()) for v, path in files.items()} == known, (
        WRITTEN_BY
    )


def test_it_needs_no_other_words_than_it_has():
    script = widget.WIDGET.read_text()
    english = re.search(r"const ENGLISH = \{(.*?)\n  \};", script, re.DOTALL)[1]

    for language, words in DIALOG.items():
        assert set(re.findall(r"(?:^|[{,])\s*(\w+): \"", english)) == set(words), language


def test_every_code_it_makes_up_is_explained():
    script = widget.WIDGET.read_text()
    made_up = {"network_error", "order_not_made", "left_open"}
    ends = {code for code, _ in REASONS.values()}
    guide = (ROOT / "docs/checkout.md").read_text()

    assert {code for code in made_up if f'"{code}"' in script} == made_up
    assert made_up | ends == set(CODES)
    assert {code for code in CODES if f"`{code}`" not in guide} == set()


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/checkout.js", "public, max-age=300"),
        (f"/checkout/{widget.version()}.js", "public, max-age=31536000, immutable"),
    ],
)
def test_any_page_may_load_it(client, path, kept):
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.mimetype == "text/javascript"
    assert answer.data == widget.WIDGET.read_bytes()
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == kept
    again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/checkout/0.0.1.js",
        "/checkout/..%2fpages.js",
        "/pay/assets/page.html",
    ],
)
def test_what_there_is_not_is_404(client, path):
    assert client.get(path).status_code == 404


def test_the_dialogs_other_words_are_for_any_page(client):
    answer = client.get("/checkout/words/de.json", headers={"Origin": "https://shop.example"})

    unknown = client.get("/checkout/words/fr.json")

    assert (unknown.status_code, unknown.data) == (204, b"")
    assert unknown.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json["close"] == "Schließen"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
