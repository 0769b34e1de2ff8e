"""What `/readyz` says of the database's version, which decides who gets requests."""

import pytest

from gateway import health


@pytest.mark.parametrize(
    ("ours", "status", "ok"),
    [
        ("0000", 200, True),  # `gateway migrate` of the next version has run: the old one goes on
        ("9999", 503, False),
    ],
)
def test_a_web_process_is_ready_unless_the_database_is_behind_it(
    client, monkeypatch, ours, status, ok
):
    monkeypatch.setattr(health, "head", lambda: ours)

    answer = client.get("/readyz")

    assert answer.status_code == status
    assert answer.json["checks"]["migrations"]["ok"] is ok
