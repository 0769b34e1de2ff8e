"""The clock shared with the gateway: read and moved in PostgreSQL, kept while that is away."""

import time
from typing import Any

import psycopg2
import pytest

from gateway.dev.sandbox.clock import ClockUnreachable, GatewayClock, libpq_url


class FakePostgres:
    """As much of a connection as the clock uses, with an offset to move and a plug to pull."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.away = False
        self.asked = 0
        self.autocommit = False

    def connect(self, dsn: str, connect_timeout: int) -> "FakePostgres":
        if self.away:
            raise psycopg2.OperationalError("no such server")
        return self

    def close(self) -> None:
        pass

    def cursor(self) -> "FakePostgres":
        return self

    def __enter__(self) -> "FakePostgres":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def execute(self, sql: str, args: tuple[float, ...]) -> None:
        if self.away:
            raise psycopg2.OperationalError("connection lost")
        self.asked += 1
        if sql.startswith("UPDATE"):
            self.offset += args[0]

    def fetchone(self) -> tuple[float]:
        return (time.time() + self.offset,)


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> FakePostgres:
    fake = FakePostgres()
    monkeypatch.setattr(psycopg2, "connect", fake.connect)
    return fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> GatewayClock:
    monkeypatch.setattr(GatewayClock, "FRESH_S", 0.1)
    monkeypatch.setattr(GatewayClock, "PATIENCE_S", 0.1)
    return GatewayClock("postgresql://gateway@/gateway")


def test_the_offset_is_read_and_cached(postgres: FakePostgres, clock: GatewayClock):
    postgres.offset = 3600

    assert clock.offset() == pytest.approx(3600, abs=1)
    assert clock.now() == pytest.approx(time.time() + 3600, abs=1)
    assert postgres.asked == 1


def test_advancing_moves_it_for_everybody_at_once(postgres: FakePostgres, clock: GatewayClock):
    assert clock.offset() == pytest.approx(0, abs=1)

    clock.advance(86400)

    assert postgres.offset == 86400
    assert clock.offset() == pytest.approx(86400, abs=1)


def test_the_last_known_offset_holds_while_postgres_is_away(
    postgres: FakePostgres, clock: GatewayClock
):
    postgres.offset = 60
    clock.advance(0)
    clock.offset()
    postgres.away = True
    with pytest.raises(ClockUnreachable):
        clock.advance(1)

    time.sleep(0.11)
    assert clock.offset() == pytest.approx(60, abs=1)
    postgres.away, postgres.offset = False, 120
    time.sleep(0.11)
    assert clock.offset() == pytest.approx(120, abs=1)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_spelling_of_the_database_url(scheme: str):
    url = libpq_url(f"{scheme}://gateway@/gateway?host=/run/pg")

    assert url == "postgresql://gateway@/gateway?host=/run/pg"
