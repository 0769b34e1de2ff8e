"""Measurements as ratios within one run: the gateway beside the least that could do the same."""
