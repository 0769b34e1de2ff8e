"""What the shop says to shoppers, in one place: another language is another of these files."""

TEXTS = {
    "hello": "Good tea, and something to pour it from",
    "hello_more": "Three small things we like ourselves. Only the payment code is real.",
    "add": "Add to cart",
    "less": "One less",
    "more": "One more",
    "how_many": "How many",
    "left": "{} left",
    "sold_out": "Sold out",
    "cart": "Your cart",
    "cart_empty": "Nothing in it yet. Add something you like.",
    "cart_plain": "Say above how many of each you would like. The next page shows the sum.",
    "total": "Total",
    "how": "How would you like to pay?",
    "card": "Card",
    "upi": "UPI",
    "buy": "Buy",
    "trials": "To try it, copy one of these",
    "trials_card": "Any later month and any three digits for the rest.",
    "trials_upi": "Type it in as your UPI ID. The sandbox can let an hour pass.",
    "copied": "Copied {}",
    "not_copied": "Please copy it by hand: {}",
    "left_open": "Nothing was taken so far, and your cart is as it was.",
    "your_order": "See your order {}",
    "away": "The shop cannot be reached just now. Nothing is lost; try again.",
    "recent": "Recent orders",
    "recent_none": "None yet. Yours could be the first.",
    "order": "Order {}",
    "try_again": "Try again",
    "pay_now": "Pay now",
    "to_payment": "Go to the payment page",
    "refund": "Give the money back",
    "back": "Back to the shop",
    "looks_again": "This page looks again every three seconds.",
    "signed": "The result you came back with is verified: the gateway signed it."
    " We still pack on its callback alone.",
    "forged": "The address tells of a payment, but the gateway never signed that. We ignore it.",
    "packed_on": "The gateway told us so by a signed callback, verified at {} UTC.",
    "happened": "What just happened",
    "happened_none": "Nothing yet. Buy something, and see here how the shop asks the gateway for an"
    " order, how the widget has it paid, and which signed callback makes the shop pack it.",
    "footer": "A demo shop. Only test cards work and nothing is ever sent.",
    "line_call": "The shop asked",
    "line_callback": "The gateway called",
    "line_widget": "The widget",
    "times": "{} times",
    "refund_of": "Refund of {}",
    "status": "Status",
    "known_as": "The gateway calls it",
    "request": "Request",
    "links": "The cart, and what is behind the shop",
    "skip": "To the content",
}
# What the scripts say; the page carries them.
SCRIPTED = (
    "copied",
    "not_copied",
    "cart_empty",
    "total",
    "your_order",
    "away",
    "left_open",
)
ORDER_WORDS = {
    "created": "Not paid yet",
    "payment_in_progress": "Being paid",
    "payment_done": "Paid",
    "payment_failed": "Payment failed",
    "packaging": "Paid",
    "refunded": "Refunded",
    "cancelled": "Cancelled",
}
REFUND_WORDS = {
    "pending": "on its way to your bank",
    "succeeded": "is with your bank",
    "failed": "came back; we will write to you",
    "cancelled": "was taken back",
}


def scripted() -> dict[str, str]:
    return {name: TEXTS[name] for name in SCRIPTED}


def words(status: str, known: dict[str, str]) -> str:
    return known.get(status, status.replace("_", " ").capitalize())


def tone(status: str) -> str:
    """How a status is coloured; its words carry the meaning."""
    if status in ("payment_done", "packaging", "succeeded"):
        return "good"
    if status in ("payment_failed", "failed", "expired"):
        return "bad"
    return "calm" if status in ("created", "cancelled", "refunded") else "busy"
