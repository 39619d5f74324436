"""Allowed hours: what the program permits, held against an oracle of its own, zone by zone and change of clock by change of clock."""
