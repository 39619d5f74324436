"""The contract, row by row: what it says, which tests show it, and whether they pass (``make contract``)."""
