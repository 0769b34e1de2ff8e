"""Lists of deliveries read what they show, and not what was delivered before."""

import pytest
from sqlalchemy import event

from gateway.dev.embedded import superuser
from gateway.kernel import db

HISTORY = 30_000
# The oldest hundred are another merchant's, some of the oldest were given up or wait.
FILL = """
    INSERT INTO callback_deliveries (id, status, merchant_id, livemode, event_id, event_type,
        endpoint_id, attempted, created_at, updated_at, lease, attempts)
    SELECT 'wd_' || lpad(n::text, 26, '0'),
        CASE WHEN n BETWEEN 200 AND 205 THEN 'exhausted' WHEN n BETWEEN 300 AND 305 THEN 'pending'
            ELSE 'delivered' END,
        CASE WHEN n <= 100 THEN %(first)s ELSE %(others)s END, false,
        'evt_' || lpad(n::text, 26, '0'),
        CASE n WHEN 150 THEN 'refund.failed' ELSE 'order.created' END, 'we_' || n %% 3,
        1, now(), now(), 0, 0
    FROM generate_series(1, %(rows)s) n"""
FOUND = 21  # a page, and whether there is another
SPARE = 50


@pytest.fixture
def history(servers, database):
    """Of two merchants; PostgreSQL has counted them."""

    def fill(**merchants):
        name = database.partition("?")[0].rpartition("/")[2]
        with superuser(servers.postgres, name) as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(FILL, {"rows": HISTORY} | merchants)
            cursor.execute("ANALYZE callback_deliveries")

    return fill


@pytest.fixture
def read(client, shop):
    """How many deliveries a list has shown, and how many PostgreSQL has looked at for it."""

    def ask(**query):
        asked = []

        def listen(connection, cursor, statement, parameters, context, many):
            if statement.startswith("SELECT callback_deliveries"):
                asked.append((statement, parameters))

        event.listen(db.engine(), "before_cursor_execute", listen)
        path = "/api/v1/webhook-deliveries"
        answer = client.get(path, query_string=query, headers=shop.headers)
        event.remove(db.engine(), "before_cursor_execute", listen)
        assert answer.status_code == 200, answer.json
        (statement, parameters) = asked[-1]
        with db.engine().connect() as connection:
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
            (plan,) = connection.exec_driver_sql(explain, parameters).scalar_one()
        return len(answer.json["data"]), looked_at(plan["Plan"])

    return ask


def looked_at(node):
    own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    below = sum(map(looked_at, node.get("Plans", [])))
    return below if node.get("Plans") else own * node["Actual Loops"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, 20),
        ({"status": "pending"}, 6),
        ({"status": "exhausted"}, 6),
        ({"status": "delivered"}, 20),
        ({"status": "exhausted", "endpoint_id": "we_1"}, 2),
        ({"status": "pending", "event_type": "order.created"}, 6),
        ({"endpoint_id": "we_1"}, 20),
        ({"endpoint_id": "we_none"}, 0),
        ({"event_id": "evt_00000000000000000000000150"}, 1),
        ({"event_type": "order.created"}, 20),
        ({"event_type": "refund.failed"}, 1),
        ({"event_type": "refund.failed", "endpoint_id": "we_0"}, 1),
        ({"event_type": "dispute.lost"}, 0),
        ({"starting_after": "wd_00000000000000000000029000"}, 20),
    ],
    ids=str,
)
def test_a_list_looks_at_little_more_than_it_shows(read, shop, history, query, shown):
    history(first="mer_other", others=shop.merchant_id)
    found, seen = read(**query)

    assert found == shown
    assert seen <= FOUND + SPARE


def test_a_few_old_ones_are_not_searched_for_among_the_rest(read, shop, history):
    history(first=shop.merchant_id, others="mer_other")
    found, seen = read()

    assert found == 20
    assert seen <= FOUND + SPARE
