"""Decisions: what may happen, and what then follows. Pure: no clock, no randomness, no I/O, no log."""
