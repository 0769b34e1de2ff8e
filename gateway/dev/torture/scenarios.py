"""The stories whose news may come in any order, and how each must end.

A story tells what merchant, shopper and Stripe's dashboard do, up to the moment when Stripe has
everything to tell. Each is played by itself, from an empty shop; none may look into the gateway's
rows or deliver news.
"""

from gateway.dev.torture.declare import SCENARIOS, scenario
from gateway.dev.torture.stripe_side import ASKS_FOR_3DS, DECLINED
from gateway.dev.torture.world import DAY, World

__all__ = ["SCENARIOS"]

SEPA_GOOD, SEPA_BAD = "AT611904300234573201", "IT60X0542811101000000123456"
REFUND_ASKED, CAPTURE_ASKED = "stripe create refund after", "stripe capture intent after"
EXPIRY_ASKED = "stripe expire session after"
PAID = ("payment.succeeded", "order.payment_done", "order.packaging")
SOLD, FREE = "2 left, 0 reserved", "3 left, 0 reserved"


@scenario("order packaging", "payment 1 succeeded, 2000 taken, 0 back", SOLD, told=PAID)
def paid(world: World) -> None:
    world.orders()
    world.pays()


@scenario("order packaging", "payment 1 succeeded, 2000 taken, 0 back", SOLD, told=PAID)
def three_d_secure(world: World) -> None:
    world.orders()
    world.pays(ASKS_FOR_3DS)
    world.proves_herself()


@scenario("order packaging", "payment 1 succeeded, 2000 taken, 0 back", SOLD, told=PAID)
def declined_then_paid(world: World) -> None:
    world.orders()
    world.pays(DECLINED)
    world.pays()


@scenario(
    "order packaging",
    "payment 1 succeeded, 2000 taken, 0 back",
    "capture of 2000 succeeded",
    SOLD,
    told=(*PAID, "capture.succeeded"),
)
def manual_capture(world: World) -> None:
    world.orders(capture_method="manual")
    world.pays()
    world.looks()
    world.captures()
    world.dies(CAPTURE_ASKED, only="captures.submit")


@scenario(
    "order packaging",
    "payment 1 succeeded, 1500 taken, 0 back",
    "capture of 1500 succeeded",
    SOLD,
    told=(*PAID, "capture.succeeded"),
)
def partial_capture(world: World) -> None:
    world.orders(capture_method="manual")
    world.pays()
    world.looks()
    world.captures(1500)
    world.works("captures.submit")


@scenario("order packaging", "payment 1 succeeded, 2000 taken, 0 back", SOLD, told=PAID)
def cancelled_but_paid(world: World) -> None:
    """The shopper was quicker than the merchant's wish."""
    world.orders()
    world.pays(DECLINED)
    world.cancels()
    world.pays()


@scenario(
    "order payment_failed",
    "payment 1 cancelled, 0 taken, 0 back",
    FREE,
    told=("payment.cancelled", "order.payment_failed"),
)
def cancelled_before_paid(world: World) -> None:
    """The merchant's wish was quicker than the shopper's second card."""
    world.orders()
    world.pays(DECLINED)
    world.cancels()
    world.dies(EXPIRY_ASKED, only="payments.refresh")
    world.pays()


@scenario("order packaging", "payment 1 succeeded, 2000 taken, 0 back", SOLD, told=PAID)
def expired_but_paid(world: World) -> None:
    """Stripe closed the page, which the gateway has not heard, and then took the money."""
    world.orders()
    world.pays(DECLINED)
    world.passes(DAY + 60)
    world.forces()


@scenario("order packaging", "payment 1 succeeded, 2000 taken, 0 back", SOLD, told=PAID)
def debit_that_came(world: World) -> None:
    world.orders()
    world.pays(method="sepa_debit", iban=SEPA_GOOD)
    world.decides("succeeded")


@scenario(
    "order payment_failed",
    "payment 1 failed, 0 taken, 0 back",
    FREE,
    told=("payment.failed", "order.payment_failed"),
)
def debit_that_failed(world: World) -> None:
    world.orders()
    world.pays(method="sepa_debit", iban=SEPA_BAD)
    world.looks()
    world.decides("failed")


@scenario(
    "order packaging",
    "payment 1 succeeded, 2000 taken, 1200 back",
    "refund of 500 succeeded",
    "refund of 700 succeeded",
    SOLD,
    told=("refund.succeeded", "payment.amount_refunded") * 2,
)
def two_refunds(world: World) -> None:
    """The worker that asked for the first died, so the gateway does not know Stripe's id of it."""
    world.orders()
    world.pays()
    world.looks()
    world.refunds(500)
    world.dies(REFUND_ASKED, only="refunds.submit")
    world.refunds(700)
    world.works("refunds.submit")


@scenario(
    "order packaging",
    "payment 1 succeeded, 2000 taken, 500 back",
    "refund of 500 succeeded",
    SOLD,
    told=(*PAID, "refund.created", "refund.succeeded", "payment.amount_refunded"),
)
def refund_made_elsewhere(world: World) -> None:
    world.orders()
    world.pays()
    world.refunds_elsewhere(500)


@scenario(
    "order packaging",
    "payment 1 refunded, 2000 taken, 2000 back",
    "refund of 500 succeeded",
    "refund of 1500 succeeded",
    SOLD,
    told=(
        *("refund.created", "refund.succeeded", "payment.amount_refunded"),
        *("refund.succeeded", "payment.refunded"),
    ),
)
def refunds_from_both_sides(world: World) -> None:
    world.orders()
    world.pays()
    world.looks()
    world.refunds_elsewhere(500)
    world.refunds(1500)
    world.dies(REFUND_ASKED, only="refunds.submit")


@scenario(
    "order packaging",
    "payment 1 refunded, 2000 taken, 2000 back",
    "payment 2 succeeded, 2000 taken, 0 back",
    "refund of 2000 succeeded, by itself",
    SOLD,
    told=(
        *("payment.succeeded", "refund.created", "refund.succeeded"),
        *("payment.refunded", "payment.duplicate_refunded"),
    ),
    woken=1,
)
def paid_twice(world: World) -> None:
    """The first attempt was superseded; it is paid after the second."""
    world.orders()
    world.pays(DECLINED)
    world.retries()
    world.works()
    world.pays()
    world.looks()
    world.forces(1)


@scenario(
    "order packaging",
    "payment 1 succeeded, 2000 taken, 0 back",
    SOLD,
    told=PAID,
    woken=1,
)
def late_success(world: World) -> None:
    """The order had failed and its cup was free again; it is taken once more."""
    world.orders()
    world.pays(DECLINED)
    world.passes(DAY + 60)
    world.works()
    world.forces()


@scenario(
    "order payment_failed",
    "payment 1 refunded, 2000 taken, 2000 back",
    "refund of 2000 succeeded, by itself",
    "0 left, 0 reserved",
    told=("payment.succeeded", "refund.created", "refund.succeeded", "payment.refunded"),
    woken=1,
)
def late_success_without_stock(world: World) -> None:
    world.orders()
    world.passes(DAY + 60)
    world.works()
    world.stocks(0)
    world.forces()


@scenario(
    "order cancelled (requested)",
    "payment 1 refunded, 2000 taken, 2000 back",
    "refund of 2000 succeeded, by itself",
    FREE,
    told=(
        *("payment.succeeded", "refund.created", "order.cancelled"),
        *("refund.succeeded", "payment.refunded"),
    ),
)
def order_cancelled_but_paid(world: World) -> None:
    """The wish for the order stays: what was paid in the meantime is given back."""
    world.orders()
    world.cancels_order()
    world.pays()


@scenario(
    "order packaging",
    "payment 1 succeeded, 2000 taken, 0 back",
    "dispute won",
    SOLD,
    told=("dispute.created", "dispute.won"),
    woken=1,
)
def dispute_won(world: World) -> None:
    world.orders()
    world.pays()
    world.looks()
    world.disputes()
    world.rules("won")


@scenario(
    "order packaging",
    "payment 1 succeeded, 2000 taken, 0 back",
    "dispute lost",
    SOLD,
    told=(*PAID, "dispute.created", "dispute.lost"),
)
def dispute_lost(world: World) -> None:
    """The gateway had not even heard that it was paid."""
    world.orders()
    world.pays()
    world.disputes()
    world.rules("lost")


@scenario(
    "order packaging",
    "payment 1 succeeded, 2000 taken, 0 back",
    "refund of 2000 failed",
    SOLD,
    told=("refund.failed", "payment.amount_refunded"),
    woken=1,
)
def refund_that_fails_later(world: World) -> None:
    """The gateway knew it as refunded; days later the bank sends the money back."""
    world.orders()
    world.pays()
    world.looks()
    world.refunds(2000)
    world.works()
    world.passes(3 * DAY)
    world.sends_refund_back()
