"""What time does by itself is not the question here: the settings that keep it out of the play."""

SETTINGS = {
    # A failed order waits longer than any sweep.
    "GATEWAY_ORDER_TTL": str(30 * 86400),
    # Reconciliation need not spare a Stripe that is ours.
    "GATEWAY_RECONCILE_PER_SECOND": "1000",
    "GATEWAY_RATE_PER_KEY": "1000000",
}
