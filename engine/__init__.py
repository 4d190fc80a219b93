"""Runs strategies: Cerebro, broker, records and results; `engine.jobs` has a file per command."""

import atexit
import gc

# The libraries and a run make millions of objects and hardly a cycle. Python would look for cycles
# at every 700th object, and through all of them at the end: a third of a short run's CPU time.
gc.set_threshold(100_000, 20, 20)
atexit.register(gc.freeze)
