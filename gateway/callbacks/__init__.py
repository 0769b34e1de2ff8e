"""What we tell merchants: signed callbacks after the Standard Webhooks specification.

Inside, "callback" is what we send and "webhook" what Stripe sends us; merchants know callbacks
under the standard's name, so URLs and headers say webhook.
"""
