"""Methods, headers, what every answer carries, and faults of our own: always a problem document."""

import pytest
from tests_support import check_problem

from gateway.kernel import crashpoints
from gateway.kernel.db import engine

ORDER = {"currency": "EUR", "amount": 1999}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/payments", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("DELETE", "/orders", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("PATCH", "/orders", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("TRACE", "/payments", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("POST", "/merchant", {"GET", "HEAD", "OPTIONS", "PATCH"}),
    ],
)
def test_another_method_is_405_and_says_which_are_allowed(call, method, path, allowed):
    answer = call(method, path)

    check_problem(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == allowed
    assert answer.json["detail"] == f"Sent: {method}. It takes {answer.headers['Allow']}."


def test_a_method_cannot_be_overridden_by_a_header(call):
    headers = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}

    assert call("GET", "/merchant", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/", "/orders/", "/payments/a/b/c"])
def test_a_route_there_is_not_is_404(call, path):
    check_problem(call("GET", path), 404)


def test_another_host_name_changes_nothing(call):
    answer = call("GET", "/orders/nothing", headers={"Host": "evil.example"})

    assert "evil.example" not in check_problem(answer, 404)["type"]


def test_every_answer_carries_an_id_of_its_own(call):
    answers = [call("GET", "/merchant"), call("GET", "/merchant"), call("GET", "/nothing")]

    ids = {answer.headers["Request-Id"] for answer in answers}
    assert len(ids) == 3
    assert all(each.startswith("req_") for each in ids)


def test_answers_are_not_kept_nor_guessed_at(call):
    headers = call("GET", "/merchant").headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'"


def test_a_fault_of_ours_is_500_without_its_insides(call):
    def fail(name):
        raise LookupError("a secret path")

    crashpoints.arm(fail)
    try:
        answer = call("POST", "/orders", json=ORDER)
    finally:
        crashpoints.arm(None)

    body = check_problem(answer, 500, "internal_error")
    assert "secret path" not in answer.text
    assert "request id" in body["detail"]


def test_what_failed_was_not_done(call):
    def fail(name):
        raise LookupError

    crashpoints.arm(fail)
    try:
        call("POST", "/orders", json=ORDER | {"reference": "undone"})
    finally:
        crashpoints.arm(None)

    check_problem(call("GET", "/orders/undone"), 404)


def test_a_row_that_is_held_too_long_is_503_with_retry_after(call):
    name = call("GET", "/merchant").json["id"]
    with engine().connect() as holder:
        holder.exec_driver_sql(f"SELECT 1 FROM merchants WHERE id = '{name}' FOR UPDATE")
        answer = call("PATCH", "/merchant", json={"allowed_origins": []})

    check_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "1"


def test_a_lost_connection_is_503_and_the_next_request_is_served(call):
    call("GET", "/merchant")
    with engine().connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    answers = [call("GET", "/merchant") for _ in range(3)]

    assert {answer.status_code for answer in answers} <= {200, 503}
    assert answers[-1].status_code == 200
    for answer in answers:
        if answer.status_code == 503:
            check_problem(answer, 503, "unavailable")
