"""The Kafka runtime: the same ledger, one per partition of the commands topic, spread over processes."""
