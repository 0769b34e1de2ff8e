"""A browser for tests: Chromium without a window, from a Debian package, since no wheel has it."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

# The first is made for this, and takes half the time of the others.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")  # two at once in a process would be one too many
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(f"Chromium is not installed (apt-get install {NAMES[0]})")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
