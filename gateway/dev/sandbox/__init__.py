"""A stateful local Stripe, spoken to exactly like the real one, so the product contains no fake.

It runs as its own process and must never import the product: nothing of `gateway` outside this
package, nor `workers`.
"""
