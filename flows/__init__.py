"""Prefect flows: when the graph runs, and how safely. They contain no machine learning and no second graph."""

import os

from wav2tok.device import settle_threads

# Read by Prefect when it is first imported, and by the servers and stages that it starts.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# Read when torch is first imported.
settle_threads()
