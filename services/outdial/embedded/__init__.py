"""The embedded runtime: one process, one SQLite file, nothing else to run."""
