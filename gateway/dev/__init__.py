"""For laptops and tests: embedded servers, a supervisor, a Stripe sandbox.

Never imported by the product.
"""
