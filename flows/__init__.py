"""Prefect flows: when the graph runs, and how safely. They hold no machine learning and no second graph."""
