"""Every service of the compose file, run here: it becomes healthy, logs JSON and stops on TERM."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from gateway.dev import embedded
from gateway.dev.machine import free_port
from gateway.dev.walk import wait_for

from .compose import STOP_SECONDS, Service, ours

# Celery says this by itself, on standard output, as it stops.
CELERYS_OWN = "worker: Warm shutdown (MainProcess)"
TOKEN = "a-token-for-prometheus"


@pytest.fixture
def machine(servers, database, tmp_path):
    """What the machine around the services gives: an environment, and addresses of their own."""
    name = database.rpartition("/")[2].partition("?")[0]
    ports = {port: str(free_port()) for port in ("8000", "5555", "4242")}
    swaps = ports | {
        "0.0.0.0": "127.0.0.1",
        "//web:": "//127.0.0.1:",
        "/var/lib/gateway/sandbox.sqlite3": str(tmp_path / "sandbox.sqlite3"),
    }
    env = {
        "DATABASE_URL": database,
        "GATEWAY_MIGRATION_URL": servers.postgres.url(embedded.OWNER, name),
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "GATEWAY_SECRET_KEY": os.environ["GATEWAY_SECRET_KEY"],
        "GATEWAY_BASE_URL": "https://pay.example",
        "GATEWAY_METRICS_TOKEN": TOKEN,
        "STRIPE_SECRET_KEY": "sk_live_nobody",
        "STRIPE_WEBHOOK_SECRET": "whsec_nobody",
        "FLOWER_PASSWORD": "look-do-not-touch",
    }
    started = []

    def service(name):
        made = Service(name, env=env, swaps=swaps, logs=tmp_path)
        started.append(made)
        return made

    yield service, env, ports
    for each in reversed(started):
        each.kill()


def lines(service):
    """Everything it wrote, apart from Celery's last word and what it says to root alone."""
    told = service.err.read_text()
    if "SecurityWarning" in told:  # six lines, before there is a logger
        told = told[told.index("_warn_or_raise_security_error") :].partition("\n")[2]
    plain = service.out.read_text().replace(CELERYS_OWN, "")
    return [line for line in (plain + told).splitlines() if line.strip()]


@pytest.mark.timeout(300)
def test_every_service_becomes_healthy_and_stops_when_asked(machine):
    service, env, ports = machine
    port = env["REDIS_URL"].rpartition(":")[2].partition("/")[0]
    redis = service("redis")
    redis.start("--port", port, "--bind", "127.0.0.1", "--dir", str(redis.out.parent))
    wait_for("redis", lambda: redis.healthy("-p", port), seconds=20)
    migrate = service("migrate").start()
    assert migrate.popen.wait(60) == 0, migrate.story()

    running = [service(name).start() for name in ours() if name != "migrate"]
    for each in running:
        wait_for(each.name, each.healthy, seconds=120)
        assert each.popen.poll() is None, each.story()

    flower = f"http://127.0.0.1:{ports['5555']}/workers"
    web = f"http://127.0.0.1:{ports['8000']}/metrics"
    assert requests.get(flower, timeout=10).status_code == 401
    assert requests.get(web, timeout=10).status_code == 401
    told = requests.get(web, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10).text
    assert "gateway_scrape_ok 1.0" in told
    assert 'gateway_worker_slots{queue="clock"} 1.0' in told

    for each in running:
        code, took = each.stop()
        assert (code, took < STOP_SECONDS) == (0, True), each.story()

    for each in running:
        for line in lines(each):
            entry = json.loads(line)
            assert {"event", "level", "timestamp", "process"} <= set(entry), line
    assert [line for line in lines(running[0]) if "Started worker" in line]


def test_an_unhealthy_process_is_seen(machine):
    service, _, _ = machine

    assert not service("relay").healthy()
    assert not service("worker-stripe").healthy()
    assert not service("web").healthy()
    assert not service("beat").healthy()


def test_the_web_answers_whom_it_let_in_before_it_stops(machine, shop):
    """A reader that waits is the longest request there is; TERM comes in the middle of it."""
    service, _, ports = machine
    web = service("web").start()
    wait_for("web", web.healthy, seconds=60)
    url = f"http://127.0.0.1:{ports['8000']}/api/v1/payments"
    body = {"order_id": "slow", "amount": 900, "currency": "EUR"}
    made = requests.post(url, json=body, headers=shop.headers, timeout=10).json()

    with ThreadPoolExecutor(1) as pool:
        headers = shop.headers | {"Prefer": "wait=4"}
        reading = pool.submit(requests.get, f"{url}/{made['id']}", headers=headers, timeout=20)
        time.sleep(1.5)
        code, took = web.stop()

    assert reading.result().status_code == 200
    assert reading.result().json()["status"] == "pending"
    assert code == 0
    assert 1 < took < STOP_SECONDS
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_what_ends_a_process_is_a_line_too(machine):
    """Here a role that owns the tables, as which nothing may run."""
    service, env, _ = machine
    relay = service("relay")
    relay.env["DATABASE_URL"] = env["GATEWAY_MIGRATION_URL"]

    assert relay.start().popen.wait(30) == 1

    [last] = [json.loads(line) for line in lines(relay)]
    assert (last["event"], last["level"], last["process"]) == ("died", "critical", "relay")
    assert "gateway_owner" in last["exception"]
