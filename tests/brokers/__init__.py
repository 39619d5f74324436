"""Kafka brokers for tests, and for anyone who wants one on this machine without Docker: `make broker`."""
