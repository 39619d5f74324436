"""Ways to place a call."""
