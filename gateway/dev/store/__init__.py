"""The demo's shop: a merchant's server that uses the gateway over HTTP, as any would.

Of the gateway it imports the demo's key only. It never runs in production.
"""
