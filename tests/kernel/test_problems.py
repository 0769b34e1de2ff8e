"""Bad paths, queries, methods and headers, and faults of our own: always a problem document."""

import pytest

from gateway.kernel import crashpoints
from gateway.kernel.db import engine

from .test_bodies import check_problem

ORDER = {"currency": "EUR", "amount": 1999}


@pytest.mark.parametrize("kind", ["orders", "payments", "webhook-endpoints"])
@pytest.mark.parametrize(
    "name",
    [
        "%00",
        "a%00b",
        "%ff",
        "%ed%a0%80",
        "%0d%0aSet-Cookie:%20x",
        "..%2f..%2fetc%2fpasswd",
        "x" * 100_000,
        "ORD_01J9X",
        "%20ord_1",
        "ord_" + "0" * 26,
        "%E2%80%AE",
        "'%20OR%201=1--",
        "{{7*7}}",
    ],
    ids=lambda name: name[:20],
)
def test_a_path_that_names_nothing_is_404(call, kind, name):
    check_problem(call("GET", f"/{kind}/{name}"), 404)


@pytest.mark.parametrize("path", ["/orders", "/payments", "/webhook-endpoints"])
@pytest.mark.parametrize(
    "query",
    [
        *(
            f"limit={limit}"
            for limit in ("0", "-1", "101", "abc", "", "1.5", "9" * 20, "9" * 5000, "%00", "true")
        ),
        "limit=1_0",
        "limit=%EF%BC%91%EF%BC%90",  # fullwidth 10
        "limit=1&limit=2",
        "starting_after=",
        "starting_after=nonsense",
        "starting_after=ord_" + "0" * 26,
        "starting_after=%00",
        "starting_after=" + "x" * 65,
        "colour=red",
        "created[gte]=1e20",
        "%ff=1",
        "status[]=created",
    ],
    ids=lambda query: query[:24],
)
def test_a_query_that_is_not_sound_is_422(call, path, query):
    body = check_problem(call("GET", f"{path}?{query}"), 422)

    assert len(body["errors"]) == 1


@pytest.mark.parametrize("path", ["/orders", "/payments"])
@pytest.mark.parametrize("status", ["", "nonsense", "CREATED", "%00", "created' OR '1'='1"])
def test_a_status_there_is_not_is_422(call, path, status):
    body = check_problem(call("GET", f"{path}?status={status}"), 422)

    assert body["errors"][0]["param"] == "status"


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
