"""Timeouts: connections whose client is idle, or whose peer does not answer."""
