"""What a shop's page can be told beside the API's errors: how a payment ended, and what the widget
has noticed by itself. `/docs/errors` explains them; the widget's `docUrl` leads there.
"""

CODES = {
    "payment_declined": "The bank said no. The same order can be opened again.",
    "payment_cancelled": "The shopper or the shop's server gave it up. It can be opened again.",
    "session_expired": "Nobody paid in time. The same order can be opened again.",
    "payment_refunded": "It was given back in full, as a second payment of one order is.",
    "network_error": "The gateway was not reached for a minute. Whether there is a payment is not "
    "known: read the order on your server, or open it again, which cannot charge twice.",
    "order_not_made": "The promise given as `orderId` was broken; `message` is its own.",
    "left_open": "The dialog was left, and the payment can still be made: `resume()` goes on with "
    "it. No callback is called; only the promise of `open()` says so.",
}
