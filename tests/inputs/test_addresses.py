"""What a path and a query can carry: strange ids, other people's ids, filters there are not."""

import pytest
from tests_support import check_problem

from gateway.kernel.fields import Status, Text

from .values import wrong_query

pytestmark = pytest.mark.usefixtures("unchanged")

NO_IDS = [
    *("%00", "a%00b", "%ff", "%c3%28", "%ed%a0%80", "%0d%0aSet-Cookie:%20x=y", "%0a", "%20", "%7f"),
    *("..%2f..%2fetc%2fpasswd", "..", "%2e%2e", ".", "%5c..%5c", "%252e%252e%252f", "a%2fb"),
    *("x" * 129, "x" * 100_000, "%E2%80%AE", "%F0%9F%92%A9", "%EF%BC%A1", "ord_", "0", "-1", "nil"),
    *("'%20OR%201=1--", "'%3BDROP%20TABLE%20orders--", "{{7*7}}", "%24%7Bjndi:x%7D", "*", "%25"),
    *("ord_" + "0" * 26, "pay_" + "0" * 26, "we_" + "0" * 26, "wd_" + "0" * 26, "null", "%", "%zz"),
]


def named(api):
    """Those whose path says what they are about; but for stock, which a PUT may be the first of."""
    first = "PUT /inventory/{sku}"
    return [route for route in api.routes if route.parameters and str(route) != first]


@pytest.mark.parametrize("value", NO_IDS, ids=lambda value: value[:20])
def test_an_id_there_is_not_is_404(api, faults, value):
    for route in named(api):
        answer = api.call(route.method, route.at(value), json=body_of(route))
        faults.check(str(route), check_problem, answer, 404)


def body_of(route):
    return route.example() if route.declared.accepts is not None else None


def spellings(identifier):
    prefix, _, rest = identifier.partition("_")
    yield from (identifier.upper(), f"{prefix.upper()}_{rest}", f"{prefix}_{rest.upper()}")
    yield from (f"{identifier}%20", f"%20{identifier}", f"{identifier}%0a", f"{identifier}%00")
    yield from (identifier[:-1], f"{identifier}0", rest, f"{prefix}%5f{rest}x", f"{identifier}/")
    yield f"{identifier}%ef%bb%bf"


def test_an_id_is_spelt_in_one_way(api, faults):
    for route in named(api):
        real = api.standing_path(route)
        identifier = next(part for part in real.split("/")[2:])
        for spelling in spellings(identifier):
            answer = api.call(route.method, route.at(spelling), json=body_of(route))
            faults.check(f"{route} {spelling!r}", check_problem, answer, 404)


# Runs are the gateway's: everybody sees when they were, and of what they found their own.
SHARED = "/reconciliations"


@pytest.mark.parametrize("who", ["theirs", "live"])
def test_what_is_somebody_elses_is_not_there(api, faults, who):
    keys = getattr(api, who)
    own = (each for each in named(api) if not each.path.startswith(SHARED))
    for route in [route for route in own if not route.declared.public]:
        path = api.standing_path(route)
        answer = api.call(route.method, path, json=body_of(route), keys=keys)
        faults.check(str(route), check_problem, answer, 404, "not_found")


def test_somebody_elses_rows_cannot_be_filtered_for(api, faults):
    for route, name in asked(api):
        for kind in ("orders", "payments", "webhook-endpoints", "webhook-deliveries"):
            rows = api.call("GET", f"/{kind}").json["data"]
            query = {name: rows[0]["id"]}
            answer = api.call("GET", route.path, query_string=query, keys=api.theirs)
            faults.check(f"{route} {query}", check_nothing, answer)


def check_nothing(answer):
    if answer.status_code != 200:
        check_problem(answer, 422)
    else:
        assert answer.json == {"data": [], "has_more": False}


def asked(api):
    """(route, name) of every query parameter."""
    for route in api.routes:
        if route.declared.query is not None and not route.parameters:
            yield from ((route, name) for name in route.declared.query.fields)


def test_every_query_parameter_refuses_what_it_cannot_be(api, faults):
    tried = 0
    for route, name in asked(api):
        field = route.declared.query.fields[name]
        for value in wrong_query(field):
            answer = api.call("GET", f"{route.path}?{name}={value}")
            faults.check(f"{route}?{name}={value:.40}", check_param, answer, name)
            tried += 1
    assert tried > 100


def check_param(answer, name):
    body = check_problem(answer, 422, "invalid_request")
    assert [error["param"] for error in body["errors"]] == [name]


def test_a_status_there_is_not_is_422(api, faults):
    for route, name in asked(api):
        if isinstance(route.declared.query.fields[name], Status):
            for value in (
                "nonsense",
                "CREATED",
                "created%20",
                "a,b",
                "created'%20OR%20'1'='1",
                "0",
            ):
                answer = api.call("GET", f"{route.path}?{name}={value}")
                faults.check(f"{route} {value}", check_param, answer, name)


CURSORS = [
    "nonsense",
    "ord_" + "0" * 26,
    "%ff",
    "%F0%9F%92%A9",
    "0",
    "-1",
    "null",
    "{}",
    "'",
    "%25",
]


def test_a_cursor_is_the_id_of_a_row_of_this_list(api, faults):
    for route, name in asked(api):
        if name == "starting_after":
            first = api.call("GET", route.path).json["data"][0]
            own = first.get("id") or first["sku"]
            forged = [own[:-1], own.upper(), f"{own}%00", f"{own}%20", f"{own}0"]
            for cursor in [*CURSORS, *forged]:
                answer = api.call("GET", f"{route.path}?{name}={cursor}")
                faults.check(f"{route} {cursor}", check_param, answer, name)
            if route.path == SHARED:
                continue
            answer = api.call("GET", f"{route.path}?{name}={own}", keys=api.theirs)
            faults.check(f"{route} foreign", check_param, answer, name)


UNKNOWN = [
    *("colour=red", "created[gte]=1e20", "created[gte]=-infinity", "created_at=2024-02-30", "=x"),
    *("created[gte]=10000-01-01", "%ff=1", "%00=1", "limit[]=1", "a;b=c", "__proto__=1", "LIMIT=1"),
    *("merchant_id=x", "livemode=true", "order_by=amount;DROP", "x" * 5000, "&".join(["a"] * 1000)),
]


@pytest.mark.parametrize("query", UNKNOWN, ids=lambda query: query[:24])
def test_a_filter_there_is_not_is_422_at_every_route(api, faults, query):
    for route in api.routes:
        what = {} if route.method == "GET" else {"json": body_of(route)}
        answer = api.call(route.method, f"{api.standing_path(route)}?{query}", **what)
        faults.check(str(route), check_problem, answer, 422, "invalid_request")


def test_a_parameter_given_twice_is_422(api, faults):
    for route, name in asked(api):
        for query in (f"{name}=1&{name}=1", f"{name}=1&{name}=2&{name}=3", f"{name}&{name}"):
            answer = api.call("GET", f"{route.path}?{query}")
            faults.check(f"{route} {query}", check_param, answer, name)


def test_a_filter_that_matches_nothing_is_an_empty_page(api, faults):
    for route, name in asked(api):
        if type(route.declared.query.fields[name]) is Text and name != "starting_after":
            for value in ("'%20OR%201=1", "%25", "_", "%F0%9F%92%A9", "x" * 64):
                answer = api.call("GET", f"{route.path}?{name}={value}")
                faults.check(f"{route} {value}", check_nothing, answer)


WRITTEN_OTHERWISE = [
    *("//orders", "/orders/", "/orders//", "/./orders", "/../v1/orders", "/ORDERS", "/orders%20"),
    *("/orders%00", "/orders;a=b", "/orders%2f", "/%6frders%2e", "/orders.json"),
]


@pytest.mark.parametrize("path", WRITTEN_OTHERWISE)
def test_an_address_is_written_in_one_way(api, path):
    """No redirect either: it would lead to whatever Host the request named."""
    for method in ("GET", "POST"):
        answer = api.call(method, path, headers={"Host": "evil.example"})
        assert "Location" not in answer.headers
        check_problem(answer, 404)


def test_no_route_redirects_or_fails_whatever_its_address_carries(api, faults):
    """Also those that have no door: pages, checks, the description."""
    for rule in api.app.url_map.iter_rules():
        for value in NO_IDS[:12]:
            path = rule.rule.replace("<path:filename>", value)
            for tail in (f"?{value}", f"?x={value}", f"/{value}"):
                answer = api.client.get(path.partition("<")[0] + tail)
                faults.check(f"{path}{tail}", check_quiet, answer)


def check_quiet(answer):
    assert answer.status_code < 500 or answer.json.get("checks"), answer.text
    assert not 300 <= answer.status_code < 400, answer.headers
    assert "Traceback" not in answer.text
    assert answer.headers["Request-Id"].startswith("req_")
    if answer.status_code >= 400 and not answer.json.get("checks"):
        check_problem(answer, answer.status_code)
