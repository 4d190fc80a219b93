"""Runs strategies: Cerebro, broker, records and results; `engine.jobs` has a file per command."""
