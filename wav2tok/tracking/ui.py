"""Serve the MLflow UI of the store: ``python -m wav2tok.tracking.ui [EXPERIMENT]``, or ``make ui``.

It prints the address of the experiment's training view. If the store is a server, that is all there is to do.
"""

import argparse
import os
import sys

from wav2tok.config import parameters
from wav2tok.errors import UserError
from wav2tok.tracking import links, store, view


def main() -> None:
    """Print the address, then become the server."""
    parser = argparse.ArgumentParser(prog="python -m wav2tok.tracking.ui", description="Serve the MLflow UI.")
    parser.add_argument("experiment", nargs="?", help="default: register.experiment of params.yaml")
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args()
    try:
        name = options.experiment or parameters.load().register.experiment
        mlflow = store.existing()
        with store.reaching(mlflow):
            experiment = mlflow.get_experiment_by_name(name)
        if experiment is None:
            raise UserError(f"the store {store.shown()} has no experiment {name!r}; train a model first.")
        # An experiment that an earlier version made has no view yet.
        if view.TAG not in experiment.tags:
            mlflow.MlflowClient().set_experiment_tag(experiment.experiment_id, view.TAG, view.state())
    except UserError as error:
        print(f"ui: {error}", file=sys.stderr)
        sys.exit(2)
    base = links.server()
    print(links.runs(base or f"http://127.0.0.1:{options.port}", experiment.experiment_id), flush=True)
    if base is None:
        uri = mlflow.get_tracking_uri()
        # One worker and no jobs: two processes instead of fifteen.
        os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--workers", "1"]
        os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(options.port)])


if __name__ == "__main__":
    main()
