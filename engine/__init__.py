"""Runs strategies: Cerebro, broker, records and results; `engine.jobs` has a file per command.

Importing it also settles two things for the whole process (docs/decisions/0026).
"""

import atexit
import gc
import os

# The libraries make a million objects. At the end Python would look through all of them for cycles.
atexit.register(gc.freeze)

# Of NumPy's linear algebra, unless somebody has said otherwise: how many threads there are would
# decide the last bits of what is learned, and they wait for each other while nobody needs them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
