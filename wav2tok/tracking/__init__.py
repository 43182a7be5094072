"""MLflow: the store, runs, and lineage."""
