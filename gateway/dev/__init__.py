"""For laptops and tests: embedded servers, a supervisor, a demo store, a Stripe sandbox.

Never imported by the product.
"""
