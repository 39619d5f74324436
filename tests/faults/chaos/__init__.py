"""Faults on purpose, on a real Kafka: ledgers, dialers and brokers are killed, paused and misled while they are used."""
