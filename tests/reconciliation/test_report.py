"""What is told of runs: to merchants over the API, to operators by command."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from gateway.cli import main_group, reconciliation  # noqa: F401 - it adds its commands
from gateway.reconciliation.report import Stretch, stretches

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def typed(*words):
    return CliRunner().invoke(main_group, words, catch_exceptions=False)


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([], [(0, 60, False)]),
        ([(0, 60)], [(0, 60, True)]),
        ([(-90, 10), (10, 30)], [(0, 30, True), (30, 60, False)]),
        ([(0, 10), (20, 30), (25, 90)], [(0, 10, True), (10, 20, False), (20, 60, True)]),
        ([(0, 40), (10, 20)], [(0, 40, True), (40, 60, False)]),
        ([(-20, -10), (70, 80)], [(0, 60, False)]),
    ],
)
def test_stretches_follow_one_another_without_a_gap(windows, expected):
    found = stretches([(at(a), at(b)) for a, b in windows], at(0), at(60))

    assert found == [Stretch(at(a), at(b), covered) for a, b, covered in expected]


def test_a_merchant_reads_runs_coverage_and_what_differed(books, new_shop, client):
    ids = books.open(2)
    books.pay(ids)
    found = books.reconcile()

    (run,) = books.call("GET", "reconciliations")["data"]
    assert run == books.call("GET", f"reconciliations/{found.run.id}")
    assert run["discrepancies"] == {"found": 2, "fixed": 2, "open": 0}
    assert (run["status"], run["covered"], run["error"]) == ("succeeded", True, None)
    (one, two) = books.call("GET", "discrepancies?status=fixed&kind=state_differs")["data"]
    assert {one["payment_id"], two["payment_id"]} == set(ids)
    assert one == books.call("GET", f"discrepancies/{one['id']}")
    assert one["ours"]["status"] == "requires_action"
    assert one["theirs"] == {
        "status": "succeeded",
        "amount": 1999,
        "captured": 1999,
        "refunded": 0,
        "currency": "EUR",
    }
    assert books.call("GET", f"discrepancies?payment_id={ids[0]}")["data"][0]["subject"] == ids[0]
    assert [each["covered"] for each in books.call("GET", "reconciliations/coverage")["data"]] in (
        [True],
        [True, False],
    )
    other = new_shop("Other").headers
    theirs = client.get("/api/v1/reconciliations", headers=other).json["data"][0]
    assert theirs["discrepancies"] == {"found": 0, "fixed": 0, "open": 0}
    assert client.get("/api/v1/discrepancies", headers=other).json["data"] == []


@pytest.mark.parametrize("query", ["status=gone", "kind=odd", "limit=0", "starting_after=dcr_1"])
def test_a_query_that_means_nothing_is_told_what_it_may_be(books, query):
    answer = books.client.get(f"/api/v1/discrepancies?{query}", headers=books.shop.headers)

    assert answer.status_code == 422


def test_what_somebody_has_seen_to_is_not_brought_up_again(books):
    (id,) = books.paid(1)
    session = books.session(id)
    books.stripe.lever("DELETE", f"objects/{session}")
    (row,) = books.reconcile().rows
    assert (row.kind, row.status) == ("missing_there", "open")

    refused = typed("discrepancies", "--resolve", row.id)
    assert refused.exit_code == 2
    assert "--how" in refused.output
    done = typed("discrepancies", "--resolve", row.id, "--how", "Sold by hand.", "--by", "ann")
    assert done.exit_code == 0

    assert books.reconcile().rows == []
    shown = books.call("GET", f"discrepancies/{row.id}")
    assert (shown["status"], shown["how"]) == ("resolved", "Sold by hand.")
    assert shown["handled_by"] == "operator:ann"
    assert shown["ours"] == {"status": "succeeded", "session": session}
    again = CliRunner().invoke(main_group, ["discrepancies", "--resolve", row.id, "--how", "x"])
    assert again.exit_code == 1
    assert again.exception.code == "discrepancy_not_open"


def test_the_list_as_csv_has_no_formulas(books):
    (id,) = books.paid(1)
    books.stripe.lever("DELETE", f"objects/{books.session(id)}")
    (row,) = books.reconcile().rows
    typed("discrepancies", "--resolve", row.id, "--how", "=HYPERLINK()", "--by", "ann")

    lines = list(csv.DictReader(io.StringIO(typed("discrepancies", "--csv").output)))

    assert [line["status"] for line in lines] == ["fixed", "resolved"]
    assert lines[1]["how"] == "'=HYPERLINK()"
    resolved = json.loads(typed("discrepancies", "--status", "resolved", "--json").output)
    assert [each["id"] for each in resolved["data"]] == [row.id]
    assert row.id in typed("discrepancies").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "yesterday"), "no time"),
        (("--until", "2999-01-01"), "in the future"),
        (("--since", "1h", "--until", "2h"), "before --until"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused_in_words(database, words, said):
    result = typed("reconcile", *words)

    assert result.exit_code == 2
    assert said in result.output


def test_a_run_that_nobody_takes_up_says_who_is_missing(database):
    result = typed("reconcile", "--timeout", "0", "--json")

    assert result.exit_code == 1
    assert "a worker for the queue clock" in json.loads(result.output)["error"]


def test_the_doctor_finds_what_must_never_be(books, superuser):
    books.open(1)
    well = typed("doctor", "--json")
    assert (well.exit_code, json.loads(well.output)["ok"]) == (0, True)

    superuser.execute("UPDATE payments SET status = 'succeeded'")

    ill = typed("doctor", "--json")
    assert ill.exit_code == 1
    rules = {each["rule"] for each in json.loads(ill.output)["broken"]}
    assert "a status is that of the last event" in rules
    assert "NOT SO: a status is that of the last event: 1" in typed("doctor").output


def test_by_the_clock_somebody_is_told_what_must_never_be(books, superuser, client):
    books.open(1)
    assert books.reconcile("check").run.status == "succeeded"
    superuser.execute("UPDATE payments SET amount_captured = 5")

    run = books.reconcile("check").run

    assert run.status == "failed"
    assert "only who has paid has paid something (1, such as pay_" in run.error
    assert client.get("/readyz").json["checks"]["attention"]["needs_attention"]["run"] == 1


def test_coverage_is_told_by_command(books):
    assert "no payment" in typed("coverage").output
    books.paid(1)

    assert "compared" in typed("coverage").output
    (first, *_) = json.loads(typed("coverage", "--json").output)["data"]
    assert first["covered"] is True
