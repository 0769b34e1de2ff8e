"""The page at /docs: Swagger UI out of this repository; its policy lets in nothing else."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway import openapi
from gateway.app import create_app
from gateway.dev.seed import KEY, SECRET
from gateway.settings import settings

FILES = Path(openapi.__file__).parent / "swagger"


def test_the_page_is_for_everybody_and_asked_about_every_time(client):
    page = client.get("/docs")
    again = client.get("/docs", headers={"If-None-Match": page.headers["ETag"]})

    assert page.content_type == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    assert again.status_code == 304


def test_no_script_but_ours_runs_on_it(client):
    page = client.get("/docs")
    policy = page.headers["Content-Security-Policy"].split("; ")

    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'"} <= set(policy)
    assert not any("unsafe" in rule for rule in policy)
    assert "https://" not in page.text
    assert re.findall(r"<script(?! src=)", page.text) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("swagger-ui-bundle.js", "text/javascript"),
        ("start.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("page.css", "text/css"),
    ],
)
def test_its_files_have_their_types_and_are_asked_about_every_time(client, name, kind):
    path = f"/docs/swagger/{name}"
    file = client.get(path, buffered=True)
    unchanged = {"If-None-Match": file.headers["ETag"]}
    again = client.get(path, headers=unchanged, buffered=True)

    assert f'docs/swagger/{name}"' in client.get("/docs").text
    assert (file.status_code, file.mimetype) == (200, kind)
    assert file.headers["Cache-Control"] == "no-cache"
    assert again.status_code == 304


def test_swagger_ui_is_unchanged():
    sums = re.findall(r"^([0-9a-f]{64})  (\S+)$", (FILES / "VERSION").read_text(), re.MULTILINE)

    assert len(sums) == 2
    for digest, name in sums:
        assert hashlib.sha256((FILES / name).read_bytes()).hexdigest() == digest


def test_the_demos_key_is_filled_in_outside_production_only(client, monkeypatch):
    assert {"key": KEY, "secret": SECRET} == openapi.DEMO_KEY
    assert f'data-key="{KEY}" data-secret="{SECRET}"' in client.get("/docs").text

    monkeypatch.setenv("GATEWAY_ENV", "production")
    monkeypatch.setenv("GATEWAY_BASE_URL", "https://pay.example")
    monkeypatch.setenv("STRIPE_API_BASE", "https://api.stripe.com")
    monkeypatch.delenv("WEBHOOK_RETRY_INTERVALS_TEST")
    settings.cache_clear()
    page = create_app().test_client().get("/docs")

    assert page.status_code == 200
    assert KEY not in page.text
    assert "data-key" not in page.text


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    page.set_default_timeout(40_000)  # it is a big script, which takes seconds where much else runs
    yield page
    page.close()


@pytest.mark.browser
def test_a_call_can_be_tried_at_once(web, page):
    said, asked = [], set()
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda sent: asked.add(sent.url.split("/")[2]))
    page.goto(f"{web}/docs")
    page.get_by_role("button", name="Authorize").first.click()
    expect(page.get_by_text("Authorized").first).to_be_visible()
    page.get_by_role("button", name="Close").first.click()

    operation = page.locator("#operations-payments-create_payment")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()

    answer = operation.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text("201")
    expect(answer).to_contain_text('"status": "pending"')
    operation.get_by_role("tab", name="Schema").first.click()
    assert said == []
    assert asked == {web.removeprefix("http://")}
