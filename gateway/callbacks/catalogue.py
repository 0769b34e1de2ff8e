"""Every event type merchants may hear, with what it means to them. A test keeps it complete."""

CATALOGUE = {
    "order.created": "An order was recorded.",
    "order.payment_in_progress": "The first payment of the order has begun.",
    "order.payment_done": "The order is paid. Fulfil on this, not on payment.succeeded.",
    "order.payment_failed": "A first payment ended without money; another may be made.",
    "order.packaging": "The order is paid and has items to pack.",
    "order.cancelled": "The order will not be paid any more, or was given back.",
    "order.updated": "The order changed, or came back to a status it had before.",
    "payment.created": "An attempt to be paid was recorded.",
    "payment.requires_action": "The shopper can pay at checkout_url.",
    "payment.attempt_declined": "A card was declined; the shopper may try another.",
    "payment.processing": "The bank takes its time.",
    "payment.authorized": "The amount is held and can be captured.",
    "payment.succeeded": "Stripe has the money. A late or second payment says this too.",
    "payment.failed": "The attempt ended without money.",
    "payment.expired": "Nobody paid in time.",
    "payment.cancelled": "The attempt was given up.",
    "payment.refunded": "Everything captured was given back.",
    "payment.review": "Stripe reports another amount, currency or mode; nothing is fulfilled.",
    "payment.updated": "The payment came back to a status it had before.",
    "endpoint.created": "An endpoint was set up; it hears of itself as well.",
    "endpoint.disabled": "The endpoint receives nothing until it is enabled.",
    "endpoint.deleted": "The endpoint receives nothing any more.",
    "endpoint.updated": "The endpoint was changed, or enabled again.",
}
EVERYTHING = "*"
