"""One file per stage of dvc.yaml: what each verb of the graph does."""
