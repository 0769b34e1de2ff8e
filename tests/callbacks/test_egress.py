"""Where callbacks may not go: over a hundred ways to say "inside", as written and as connected to.

The tests' own receivers live on this machine, which is open outside production; here it is
production.
"""

import socket
import threading

import pycurl
import pytest
from tests_support import forget, post

from gateway.callbacks import egress, sender, transfers
from gateway.dev.machine import free_port

INNER = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001"),
    *("0177.0.0.1", "0", "0.0.0.0", "127.255.255.254"),
    *("169.254.169.254", "169.254.1.1", "100.100.100.200", "168.63.129.16", "2852039166"),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    *("100.64.0.1", "100.127.255.255", "198.18.0.1", "198.19.255.255", "192.0.0.8", "192.0.2.1"),
    *("198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.255"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[::ffff:169.254.169.254]", "[::169.254.169.254]", "[::ffff:0:7f00:1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::1]", "[2002:7f00:1::]"),
    *("[2002:a00:1::]", "[2001::1]", "[2001:db8::1]", "[2001:10::1]", "[3fff::1]", "[5f00::1]"),
    *("[fe80::1]", "[febf::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]"),
    *("[ff0e::1]", "[100::1]", "[0:0:0:0:0:0:0:1]", "[4000::1]"),
]
NAMES = [
    *("localhost", "localhost.", "LOCALHOST", "a.localhost", "metadata.internal", "db.internal."),
    *("printer.local", "nas.lan", "box.home.arpa", "wiki.intranet", "host.localdomain"),
    *("postgres", "redis", "gateway.example", "GATEWAY.example."),
]
PORTS = [22, 25, 80, 110, 3306, 5432, 6379, 9200, 11211, 8080, 0, 65536, 99999]
ODD = [
    *(
        "http://shop.example/",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://shop.example/",
    ),
    *("dict://shop.example/", "//shop.example/", "shop.example", "javascript:alert(1)", "https://"),
    *("https:///path", "https://@/", "https://shop@shop.example/", "https://a:b@shop.example/"),
    *("https://good@127.0.0.1/", "https://127.0.0.1#@shop.example/", "https://shop.example\\@b/"),
    *("https://shop.example/\r\nHost: a", "https://shop.example/a\tb", "https://shop .example/"),
    *("https://shop.example/#f", "https://[::1/", "https://[fe80::1%25lo]/", "https://1.2.3.4.5/"),
    *("https://0x/", "https://256.1.1.1/", "https://1.2.3.999/", "https://shop.example:abc/"),
    *(
        "https://①②⑦.0.0.1/",
        "https://127。0。0。1/",
        "https://\uff45vil.example/",
        "https://a\x00b/",
    ),
    *("unix:///var/run/docker.sock", "https://shop.example:-1/"),
]
HOSTILE = [
    *(f"https://{host}/hooks" for host in (*INNER, *NAMES)),
    *(f"https://shop.example:{port}/" for port in PORTS),
    *ODD,
]
OPEN = [
    *("https://shop.example/hooks", "https://shop.example:8443/a?b=c", "https://8.8.8.8/"),
    *("https://[2606:4700::1111]/", "https://shop.example./", "https://xn--bcher-kva.example/"),
    *("https://100.63.255.255/", "https://172.32.0.1/", "https://SHOP.example/%20"),
]


@pytest.fixture
def production(database, monkeypatch):
    """Its settings; with a port to connect to that nothing else uses."""
    settings = {
        "GATEWAY_ENV": "production",
        "GATEWAY_BASE_URL": "https://gateway.example",
        "STRIPE_API_BASE": "https://api.stripe.com",
        "GATEWAY_CALLBACK_TIMEOUT": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("WEBHOOK_RETRY_INTERVALS_TEST")
    forget()


@pytest.fixture
def canary(production, monkeypatch):
    """A server inside, on a port that is for callbacks; whoever connects is counted."""
    port, seen, stop = free_port(), [], threading.Event()
    listeners = [socket.create_server(("127.0.0.1", port))]
    listeners += [socket.create_server(("::1", port), family=socket.AF_INET6)]
    monkeypatch.setenv("GATEWAY_CALLBACK_PORTS", f"443,{port}")
    forget()

    def count(listener):
        listener.settimeout(0.05)
        while not stop.is_set():
            try:
                connection, place = listener.accept()
            except TimeoutError:
                continue
            seen.append(place)
            connection.close()

    threads = [threading.Thread(target=count, args=(each,)) for each in listeners]
    for each in threads:
        each.start()
    yield port, seen
    stop.set()
    for each in threads:
        each.join()
    for each in listeners:
        each.close()


def test_there_are_over_a_hundred():
    assert len({*HOSTILE}) > 100


@pytest.mark.parametrize("url", HOSTILE, ids=ascii)
def test_a_hostile_url_is_refused_as_it_is_written(url, production):
    with pytest.raises(egress.Refused):
        egress.check_url(url)


@pytest.mark.parametrize("url", OPEN)
def test_a_public_one_is_taken(url, production):
    egress.check_url(url)


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "http://shop.example/", "https://a.internal/"]
)
def test_outside_production_only_this_machine_is_open(url, database):
    egress.check_url("http://127.0.0.1:9000/hooks")
    egress.check_url("https://localhost:9000/hooks")
    with pytest.raises(egress.Refused):
        egress.check_url(url)


def test_a_hostile_url_that_got_in_reaches_nobody_inside(canary):
    """As if it had been written past all checks: the connection is what counts."""
    port, seen = canary
    hosts = [host for host in (*INNER, *NAMES) if host[0] != "["] + ["[::1]", "[::ffff:127.0.0.1]"]
    sending = transfers.Transfers()
    for host in hosts:
        sending.start(host, f"https://{host}:{port}/", {}, b"{}")
    results = []
    while sending:
        results += sending.wait(0.5)
    sending.close()

    assert seen == []
    assert len(results) == len(hosts)
    assert not any(result.delivered for _, result in results)
    inside = {host for host, result in results if "inside" in (result.error or "")}
    assert {"127.0.0.1", "2130706433", "localhost", "10.0.0.1", "169.254.169.254"} <= inside


@pytest.mark.parametrize(
    "addresses", ["127.0.0.1", "[::1]", "127.0.0.1,[::1]", "10.0.0.1,127.0.0.1"]
)
def test_a_name_that_resolves_inside_leads_nowhere(canary, monkeypatch, addresses):
    port, seen = canary
    begin = sender.Exchange.begin

    def resolves(exchange, url, headers, body):
        exchange.curl.setopt(pycurl.RESOLVE, [f"shop.example:{port}:{addresses}"])
        begin(exchange, url, headers, body)

    monkeypatch.setattr(sender.Exchange, "begin", resolves)
    egress.check_url(f"https://shop.example:{port}/")
    result = post(f"https://shop.example:{port}/")

    assert "inside" in result.error
    assert seen == []


def test_no_proxy_of_the_environment_is_asked(canary, monkeypatch):
    port, seen = canary
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    post("https://nobody.invalid/")

    assert seen == []


def test_an_operator_lets_a_private_network_in(canary, monkeypatch):
    port, seen = canary
    monkeypatch.setenv("GATEWAY_CALLBACK_NETWORKS", "10.1.0.0/16,127.0.0.0/8")
    forget()
    egress.check_url("https://10.1.2.3/")
    egress.check_url("https://shop.internal/")
    post(f"https://127.0.0.1:{port}/")

    assert len(seen) == 1
    with pytest.raises(egress.Refused):
        egress.check_url("https://10.2.0.1/")
    with pytest.raises(egress.Refused):
        egress.check_url("https://gateway.example/")


def test_a_refused_url_says_why_where_it_is_set_up(client, shop, production):
    for url in ("https://10.0.0.1/", "https://shop.example:22/", "https://2130706433/"):
        answer = client.post("/api/v1/webhook-endpoints", json={"url": url}, headers=shop.headers)
        assert answer.status_code == 422
        assert answer.json["errors"][0]["param"] == "url"
