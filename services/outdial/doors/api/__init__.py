"""The HTTP door: the contract's routes under ``/v1.0`` and those of the ledger itself."""
