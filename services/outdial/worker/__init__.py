"""The dial worker: reads dial requests, places the calls, says how they ended."""
