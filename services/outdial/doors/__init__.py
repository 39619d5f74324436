"""Doors: how the world reaches the ledger."""
