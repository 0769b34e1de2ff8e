"""The stories, and how often each is told. They read like an errand; the words are `shoppers`'."""

from collections.abc import Collection
from random import Random
from typing import Any

from gateway.dev.torture.client import Flow
from gateway.dev.torture.shoppers import DECLINED, ENDS, REFUSED, Story, Telling

SCARCE, PLENTY = "scarce", "plenty"
HELD = ("authorized", *ENDS)
CAPTURE = (201, "payment_not_capturable", "capture_pending")
TOO_LATE = ("payment_not_cancellable", "capture_pending")


def simple(it: Story) -> Flow:
    shown = yield from it.begins()
    yield from it.pays(shown)
    yield from it.until("succeeded")


def upi(it: Story) -> Flow:
    money = {"amount": it.random.randrange(5000, 90000), "currency": "INR"}
    shown = yield from it.begins(method="upi", vpa="shopper@upi", **money)
    yield from it.pays(shown, vpa="shopper@upi")
    yield from it.until("succeeded")


def declined_first(it: Story) -> Flow:
    """A shopper with many cards, who waits now and then to hear what was wrong."""
    shown = yield from it.begins()
    for card in it.random.sample(REFUSED, it.random.randrange(2, 9)):
        yield from it.pays(shown, card_number=card)
        yield it.random.choice([0, 0.5, 1])
    yield from it.pays(shown)
    yield from it.until("succeeded")


def declined_only(it: Story) -> Flow:
    shown = yield from it.begins()
    yield from it.pays(shown, **DECLINED)
    yield from it.cancels()
    yield from it.until(*ENDS)
    yield from it.cancels_order()


def double_click(it: Story) -> Flow:
    shown = yield from it.begins()
    it.both(it.pays(shown), it.pays(shown))
    yield from it.until("succeeded")


def stock(it: Story) -> Flow:
    """Some who come late are refused; some who have paid give it back, some never pay."""
    items = [_item(it, SCARCE)] + ([_item(it, PLENTY)] if it.random.random() < 0.3 else [])
    order = {"reference": f"order-{it.number}", "currency": "EUR", "items": items}
    made = yield from it.post("orders", order, expect=(201, "out_of_stock"))
    if made.status != 201:
        with it.shop.lock:
            it.shop.plan.refused += 1
        return
    choice = it.random.random()
    if choice < 0.1:
        yield from it.cancels_order()
        return
    shown = yield from it.begins(stock=True)
    if choice < 0.25:
        yield from it.cancels_order()
        return
    yield from it.pays(shown)
    yield from it.until("succeeded")
    if choice > 0.85:
        yield from it.cancels_order()
        yield from it.until("refunded")


def _item(it: Story, sku: str) -> dict[str, Any]:
    price = it.random.randrange(100, 2000)
    quantity = it.random.randrange(1, 3)
    return {"sku": sku, "name": sku.title(), "quantity": quantity, "unit_amount": price}


def captures_all(it: Story) -> Flow:
    shown = yield from it.begins(capture_method="manual")
    yield from it.pays(shown)
    yield from it.until("authorized")
    yield from it.post(f"payments/{it.payment}/capture", expect=(201,))
    yield from it.until("succeeded")


def captures_part(it: Story) -> Flow:
    shown = yield from it.begins(capture_method="manual")
    yield from it.pays(shown)
    held = yield from it.until("authorized")
    body = {"amount": it.part(held)}
    yield from it.post(f"payments/{it.payment}/capture", body, expect=(201,))
    yield from it.until("succeeded")


def lets_go(it: Story) -> Flow:
    shown = yield from it.begins(capture_method="manual")
    yield from it.pays(shown)
    yield from it.until("authorized")
    yield from it.cancels()
    yield from it.until("cancelled")


def captures_twice(it: Story) -> Flow:
    shown = yield from it.begins(capture_method="manual")
    yield from it.pays(shown)
    held = yield from it.until("authorized")
    path, body = f"payments/{it.payment}/capture", {"amount": it.part(held)}
    one = it.shop.client.post(path, body, key=f"story-{it.number}-one", expect=CAPTURE)
    two = it.shop.client.post(path, None, key=f"story-{it.number}-two", expect=CAPTURE)
    it.both(one, two)
    yield from it.until("succeeded")


def capture_against_cancel(it: Story) -> Flow:
    shown = yield from it.begins(capture_method="manual")
    yield from it.pays(shown)
    yield from it.until("authorized")
    path = f"payments/{it.payment}"
    it.both(
        it.shop.client.post(f"{path}/capture", key=f"story-{it.number}-one", expect=CAPTURE),
        it.shop.client.post(
            f"{path}/cancel", key=f"story-{it.number}-two", expect=(202, 200, *TOO_LATE)
        ),
    )
    yield from it.until("succeeded", "cancelled")


def never_pays(it: Story) -> Flow:
    yield from it.begins()
    yield it.random.uniform(0, 3)
    yield from it.cancels()
    yield from it.until("cancelled")
    if it.random.random() < 0.5:
        yield from it.cancels_order()
        return
    path = f"payments/{it.payment}/retry"
    again = yield from it.post(path, expect=(201,))
    it.payment = again.json["id"]
    shown = yield from it.until("requires_action", *ENDS)
    yield from it.pays(shown)
    yield from it.until("succeeded")


def pays_against_cancel(it: Story) -> Flow:
    shown = yield from it.begins()
    it.both(it.pays(shown), it.cancels(*TOO_LATE))
    yield from it.until(*ENDS)


def refunds_all(it: Story) -> Flow:
    yield from simple(it)
    yield from it.refunds()
    yield from it.until("refunded")


def refunds_part(it: Story) -> Flow:
    shown = yield from it.begins()
    yield from it.pays(shown)
    paid = yield from it.until("succeeded")
    yield from it.refunds(it.part(paid))


def refunds_at_once(it: Story) -> Flow:
    """Each of more than half: only one of them may be."""
    shown = yield from it.begins()
    yield from it.pays(shown)
    paid = yield from it.until("succeeded")
    step = 10 if paid["currency"] == "KWD" else 1
    amount = {"amount": paid["amount"] * 6 // 10 // step * step}
    path, expect = f"payments/{it.payment}/refunds", (201, "refund_exceeds_captured")
    it.both(
        it.shop.client.post(path, amount, key=f"story-{it.number}-one", expect=expect),
        it.shop.client.post(path, amount, key=f"story-{it.number}-two", expect=expect),
    )


def cancels_order_after(it: Story) -> Flow:
    yield from simple(it)
    yield from it.cancels_order()
    yield from it.until("refunded")


def supersedes(it: Story) -> Flow:
    yield from it.begins()
    again = yield from it.post(f"payments/{it.payment}/retry", expect=(201,))
    it.payment = again.json["id"]
    shown = yield from it.until("requires_action", *ENDS)
    yield from it.pays(shown)
    yield from it.until("succeeded")


def pays_twice_late(it: Story) -> Flow:
    """The page of the attempt before is paid as well, though it was closed.

    The gateway is done with it and will not ask, so one piece of news must arrive in the end:
    Stripe repeats each for three days.
    """
    first = yield from it.begins()
    again = yield from it.post(f"payments/{it.payment}/retry", expect=(201,))
    before, it.payment = it.payment, again.json["id"]
    shown = yield from it.until("requires_action", *ENDS)
    yield from it.pays(shown)
    yield from it.until("succeeded")
    status = yield from it.lever(first, force=True)
    if status == 200:
        with it.shop.lock:
            it.shop.plan.late.add(before)
        news = yield from it.completion(first)
        while not (yield from it.until("refunded", payment=before, seconds=15)):
            it.resends(news)


def wrong_amount(it: Story) -> Flow:
    shown = yield from it.begins()
    status = yield from it.lever(shown, amount=shown["amount"] * 2)
    if status == 200:
        with it.shop.lock:
            it.shop.plan.wrong.add(it.payment)
    yield from it.until("review", "succeeded")


# Of a hundred; a short run tells each at least once, a longer one in these shares.
SHARES: dict[Telling, int] = {
    simple: 30,
    upi: 5,
    declined_first: 6,
    declined_only: 2,
    double_click: 4,
    stock: 15,
    captures_all: 4,
    captures_part: 4,
    lets_go: 3,
    captures_twice: 2,
    capture_against_cancel: 2,
    never_pays: 3,
    pays_against_cancel: 3,
    refunds_all: 3,
    refunds_part: 4,
    refunds_at_once: 2,
    cancels_order_after: 2,
    supersedes: 3,
    pays_twice_late: 2,
    wrong_amount: 1,
}
# So many of a hundred are another merchant's, who does the simple things.
STRANGERS, STRANGE = 4, (simple, refunds_part, stock)


NAMES = tuple(story.__name__ for story in SHARES)


def told(seed: int, count: int, only: Collection[str] = ()) -> list[tuple[str, Telling]]:
    """Whose story, and which, in what order; each kind comes if there are enough. `only` those with
    these names, if any are named.
    """
    random = Random(f"stories {seed}")
    mine = count - max(4, count * STRANGERS // 100) if count >= 20 else count
    shares = {each: n for each, n in SHARES.items() if not only or each.__name__ in only}
    all_of_them = [story for story, share in shares.items() for _ in range(share)]
    chosen = list(shares) if mine >= len(shares) else []
    while len(chosen) < mine:
        chosen += random.sample(all_of_them, min(mine - len(chosen), len(all_of_them)))
    stories = [("ours", story) for story in chosen]
    stories += [("theirs", random.choice(STRANGE)) for _ in range(count - mine)]
    random.shuffle(stories)
    return stories


def pieces(stories: list[tuple[str, Telling]], merchant: str) -> dict[str, int]:
    """How many to put in: of one SKU too few for everybody."""
    buyers = sum(1 for whose, story in stories if story is stock and whose == merchant)
    return {SCARCE: max(2, int(buyers * 0.75)), PLENTY: 10 * buyers + 10}
