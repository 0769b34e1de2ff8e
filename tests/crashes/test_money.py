"""Everything that can happen to a payment's money, with a crash at every single place of it."""

from typing import Any

import pytest

from gateway.kernel.db import transaction
from gateway.payments.models import Resolution
from gateway.settlement.review import resolve

from .stage import World

pytestmark = pytest.mark.usefixtures("stripe_with_memory")

PAYMENTS = "/api/v1/payments"
TEA = {"sku": "tea", "name": "Tea", "quantity": 1, "unit_amount": 1999}
DAY, HOUR = 86400, 3600


def hear(world: World) -> None:
    world.tell()
    world.work()


def act(world: World, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the merchant asks for, with a key, so that it is asked for once."""
    return dict(world.post(f"/api/v1/{path}", body or {}, key=path))


def order(world: World, reference: str = "tea-1") -> None:
    world.post("/api/v1/orders", {"reference": reference, "currency": "EUR", "items": [TEA]})


def buy(world: World, reference: str = "tea-1", **how: Any) -> str:
    made = world.post(PAYMENTS, {"order_id": reference} | how)
    world.work()
    world.facts["payment"] = made["id"]
    return str(made["id"])


def pass_time(world: World, seconds: float) -> None:
    world.stripe.lever("POST", "clock", advance_s=seconds)
    world.advance(seconds)


@pytest.fixture
def sweep(stage):
    """The relay has no part in what is new here; its own crashes are swept elsewhere."""

    def every_place(scene, play, **how):
        return stage.sweep(scene, play, but=("relay", "callback"), **how)

    return every_place


@pytest.fixture
def after(stage, shop_scene):
    """A scene in which an order for the last cup of tea has got so far."""
    shop = shop_scene()

    def make(prepare):
        def all_of_it(world):
            world.client.put(
                "/api/v1/inventory/tea", json={"on_hand": 1}, headers=world.shop.headers
            )
            order(world)
            prepare(world)

        return stage.scene(all_of_it, before=shop)

    return make


def opened(world: World, **how: Any) -> str:
    return buy(world, **how)


def paid(world: World, card: str = "4242424242424242", **how: Any) -> str:
    payment = buy(world, **how)
    world.pay(card)
    hear(world)
    return payment


def held(world: World) -> None:
    paid(world, capture_method="manual")


def expired(world: World) -> None:
    buy(world)
    pass_time(world, DAY + 61)
    hear(world)
    pass_time(world, 1)
    world.work()


def complete(world: World, **body: Any) -> None:
    session = world.stripe.sessions(world.payment)[0]["id"]
    world.stripe.lever("POST", f"sessions/{session}/complete", force=True, **body)


def test_a_capture(sweep, after):
    def capture(world):
        act(world, f"payments/{world.payment}/capture", {"amount": 1500})
        world.work()

    whole, names = sweep(after(held), capture)

    assert whole["captures"] == [("succeeded", 1500, None, True)]
    assert whole["stripe"] == [(1, 1, 1500, 0)]
    assert "stripe capture intent after" in names


def test_a_refund(sweep, after):
    def refund(world):
        act(world, f"payments/{world.payment}/refunds", {"amount": 999})
        world.work()

    whole, names = sweep(after(paid), refund)

    assert whole["refunds"] == [("succeeded", 999, False, None, False, True)]
    assert whole["stripe"] == [(1, 1, 1999, 999)]
    assert "stripe create refund after" in names


def test_a_refund_that_fails_later(sweep, after):
    def refunded(world):
        paid(world)
        act(world, f"payments/{world.payment}/refunds")
        world.work()
        hear(world)
        refund = world.stripe.get("refunds")["data"][0]["id"]
        world.stripe.lever("POST", f"refunds/{refund}", status="failed")

    whole, _ = sweep(after(refunded), hear)

    assert [row[0] for row in whole["refunds"]] == ["failed"]
    assert whole["payments"][0][2:5] == ("succeeded", 1999, 0)


def test_an_open_page_is_closed(sweep, after):
    def cancel(world):
        act(world, f"payments/{world.payment}/cancel")
        world.work()

    whole, names = sweep(after(opened), cancel)

    assert whole["payments"][0][2] == "cancelled"
    assert whole["stock"] == [("tea", 1, 0)]
    assert "stripe expire session after" in names


def test_held_money_is_let_go(sweep, after):
    def cancel(world):
        act(world, f"payments/{world.payment}/cancel")
        world.work()

    whole, names = sweep(after(held), cancel)

    assert whole["payments"][0][2] == "cancelled"
    assert "stripe cancel intent after" in names


def test_another_attempt_takes_the_place_of_an_open_one(sweep, after):
    def supersede(world):
        act(world, f"payments/{world.payment}/retry")
        world.work()

    whole, _ = sweep(after(opened), supersede)

    assert [row[2] for row in whole["payments"]] == ["cancelled", "requires_action"]
    assert whole["stripe"] == [(1, 0), (1, 0)]
    assert whole["stock"] == [("tea", 1, 1)]


def test_another_attempt_comes_too_late(sweep, after):
    def supersede(world):
        act(world, f"payments/{world.payment}/retry")
        world.stripe.pay(world.stripe.sessions(world.payment)[0]["url"])
        world.work()

    whole, _ = sweep(after(opened), supersede)

    assert [row[2] for row in whole["payments"]] == ["succeeded", "cancelled"]
    assert whole["stripe"] == [(0, 0), (1, 1, 1999, 0)]


def test_a_paid_order_is_cancelled(sweep, after):
    def cancel(world):
        act(world, "orders/tea-1/cancel")
        world.work()

    whole, _ = sweep(after(paid), cancel)

    assert whole["orders"][0][1] == "cancelled"
    assert whole["stock"] == [("tea", 1, 0)]
    assert whole["stripe"] == [(1, 1, 1999, 1999)]


def test_an_order_is_cancelled_while_it_is_paid(sweep, after):
    def cancel(world):
        act(world, "orders/tea-1/cancel")
        world.stripe.pay(world.stripe.sessions(world.payment)[0]["url"])
        world.work()

    whole, _ = sweep(after(opened), cancel)

    assert whole["orders"][0][1] == "cancelled"
    assert whole["stripe"] == [(1, 1, 1999, 1999)]


def test_a_late_success_without_stock(sweep, after):
    def late(world):
        expired(world)
        order(world, "tea-2")
        complete(world)

    whole, _ = sweep(after(late), hear)

    assert whole["payments"][0][2] == "refunded"
    assert [row[1] for row in whole["orders"]] == ["payment_failed", "created"]
    assert whole["stock"] == [("tea", 1, 1)]


def test_a_late_success_takes_the_stock_again(sweep, after):
    whole, _ = sweep(after(lambda world: (expired(world), complete(world))), hear)

    assert whole["orders"][0][1] == "packaging"
    assert whole["stock"] == [("tea", 0, 0)]


def test_a_second_success(sweep, after):
    def twice(world):
        expired(world)
        first = world.payment
        paid(world)
        world.facts["payment"] = first
        complete(world)

    whole, _ = sweep(after(twice), hear)

    assert sorted(row[2] for row in whole["payments"]) == ["refunded", "succeeded"]
    assert whole["stripe"] == [(1, 1, 1999, 0), (1, 1, 1999, 1999)]


def test_a_dispute(sweep, after):
    def lost(world):
        paid(world, "4000000000000259")
        dispute = world.stripe.get("disputes")["data"][0]["id"]
        world.stripe.lever("POST", f"disputes/{dispute}", status="lost")

    whole, _ = sweep(after(lost), hear)

    assert whole["disputes"] == [("lost", 1999)]


def test_an_order_expires(sweep, after):
    def wait(world):
        world.advance(HOUR + 1)
        world.work()

    whole, names = sweep(after(lambda world: None), wait)

    assert whole["orders"][0][1:4] == ("cancelled", 1999, "expired")
    assert whole["stock"] == [("tea", 1, 0)]
    assert "task:orders.expire before commit" in names


@pytest.mark.parametrize(("decision", "status"), [("accept", "succeeded"), ("refund", "refunded")])
def test_a_review(sweep, after, decision, status):
    def reviewed(world):
        buy(world)
        complete(world, amount=2500)
        hear(world)

    def decide(world):
        def once():
            with transaction(actor="operator:test") as tx:
                resolve(tx, world.payment, Resolution(decision))

        world.insist(once)
        world.work()

    whole, _ = sweep(after(reviewed), decide)

    assert whole["payments"][0][2] == status


def test_a_worker_that_stands_still_does_nothing_twice(sweep, after):
    """Its lease runs out, others do what is due, and then it goes on."""
    from .stage import stands_still

    def refund(world):
        act(world, f"payments/{world.payment}/refunds", {"amount": 999})
        world.work()

    whole, _ = sweep(after(paid), refund, trouble=stands_still)

    assert whole["stripe"] == [(1, 1, 1999, 999)]
