"""Training and the stages after it, as one MLflow run.

The store is that of `wav2tok.tracking.store`. Training starts a run and writes its id to the model folder; evaluate and
register add to that run, and leave its status and its duration as the training left them. If a run is already active,
it is used and left open.
"""

import contextlib
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2tok.config.parameters import flatten
from wav2tok.errors import UserError, reason
from wav2tok.files import read_json, write_json
from wav2tok.progress import log
from wav2tok.tracking import processes, store, view
from wav2tok.tracking.store import connect, reaching
from wav2tok.tracking.unsent import Unsent


@dataclass(frozen=True)
class RunFile:
    """What `RUN_FILE` holds; earlier releases wrote no experiment."""

    run_id: str


RUN_FILE = "run.json"
"""In a model folder: the id of its run."""
OUTCOME = "outcome"
"""The tag that says what became of a run's model; a column of the run list."""

VERDICTS = ("refused", "approved")
"""The outcomes of an evaluation, by whether the gate approved."""


class MLflowRecorder:
    """A `wav2tok.training.recorder.Recorder` that records in an MLflow run."""

    def __init__(
        self, mlflow: Any, run_id: str, experiment_id: str, *, system_metrics: bool = False, kept: Path | None = None
    ) -> None:
        """``system_metrics``: log CPU, memory, disk and GPU use until `close`; ``kept``: as `run` takes it."""
        self._unsent = None if kept is None else Unsent(kept)
        self.mlflow, self.run_id, self.experiment_id = mlflow, run_id, experiment_id
        self._awaited = system_metrics
        self._monitor: Any = None

    def keep_in(self, path: Path) -> None:
        """Say where the file of metrics that wait is now, if it was moved."""
        if self._unsent is not None:
            self._unsent.path = path

    def close(self) -> None:
        """Stop what this recorder has started; the run itself stays open."""
        if self._monitor is not None:
            self._monitor.finish()

    def params(self, values: Mapping[str, Any]) -> None:
        """Log nested parameters under dotted names."""
        self.mlflow.log_params(flatten(values))

    def metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Log rows of (step, figures), in as few requests as the store allows."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        entries = [Metric(key, float(value), now, step) for step, figures in rows for key, value in figures.items()]
        # The UI compares runs by the metric that was logged first: that is the loss, not the load of a processor.
        entries.sort(key=lambda entry: "loss" not in entry.key)
        if self._unsent is None:
            self._send(entries)
        elif not self._unsent.send(entries, self._send):
            return
        if self._awaited:
            from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

            self._awaited, self._monitor = False, SystemMetricsMonitor(self.run_id, resume_logging=True)
            self._monitor.start()

    def catch_up(self, path: Path) -> None:
        """Send the metrics that a training left in a file (`Unsent`), if there is one; the file stays.

        The store counts a metric once, however often it is sent.
        """
        entries = Unsent(path).entries()
        if entries:
            self._send(entries)
            log.info(f"{len(entries)} metrics of the training, which the MLflow store had not taken, were sent to it")

    def _send(self, entries: Sequence[Any]) -> None:
        client = self.mlflow.MlflowClient()
        for start in range(0, len(entries), 1000):
            client.log_batch(self.run_id, metrics=entries[start : start + 1000])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self.mlflow.set_tags(dict(values))

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Log a file, or the files of a folder."""
        if path.is_dir():
            self.mlflow.log_artifacts(str(path), folder)
        else:
            self.mlflow.log_artifact(str(path), folder)

    def model(self, name: str, files: Sequence[Path], step: int, figures: Mapping[str, float]) -> str:
        """Log a checkpoint as a model of the run, with the step and the metrics of its training then; returns its id.

        Args:
            name: such as "wav2tok_5".
            files: what the model consists of.
            step: the optimiser step after which it was saved.
            figures: the metrics at that step.
        """
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        client = self.mlflow.MlflowClient()
        model_id = client.create_logged_model(self.experiment_id, name=name, source_run_id=self.run_id).model_id
        with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
            for file in files:
                shutil.copyfile(file, Path(folder) / file.name)
            client.log_model_artifacts(model_id, folder)
        client.finalize_logged_model(model_id, LoggedModelStatus.READY)
        client.log_outputs(self.run_id, [LoggedModelOutput(model_id, step)])
        self._of_model(model_id, step, figures)
        return str(model_id)

    def scores(self, model_id: str | None, figures: Mapping[str, float]) -> None:
        """Log the headline figures of a test, as metrics of the run and, with ``model_id``, of a model.

        Args:
            figures: metrics, and "approved", which becomes a tag.
        """
        named = {f"test/{name}": float(value) for name, value in figures.items() if name != "approved"}
        self._of_model(model_id, 0, named)
        self.tags({"approved": str(bool(figures["approved"])).lower()})

    def _of_model(self, model_id: str | None, step: int, figures: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        entries = [Metric(key, value, now, step, model_id=model_id) for key, value in figures.items()]
        self.mlflow.MlflowClient().log_batch(self.run_id, metrics=entries)

    def data(self, name: str, columns: Mapping[str, Sequence[str]], source: Path, digest: str) -> None:
        """Log a table as one of the run's data sets.

        Args:
            name: such as "training".
            columns: column name -> one value per row.
            source: the file that the table was read from.
            digest: of that file.
        """
        import pandas as pd

        with warnings.catch_warnings():
            # MLflow knows two kinds of source for a local path and warns that it picks one; either is right.
            warnings.filterwarnings("ignore", message="The specified dataset source")
            dataset = self.mlflow.data.from_pandas(
                pd.DataFrame(columns), source=str(source), name=f"{source.stem}-{name}", digest=digest
            )
        self.mlflow.log_input(dataset, context=name)


@contextlib.contextmanager
def run(
    experiment: str,
    *,
    run_id: str | None = None,
    name: str | None = None,
    training: bool = False,
    trained: bool = False,
    kept: Path | None = None,
) -> Iterator[MLflowRecorder]:
    """An MLflow run for the length of the block; Ctrl-C and SIGTERM end it as KILLED, other exceptions as FAILED.

    A run that exists keeps its status and its end, however the block ends, unless ``training`` is set. Runs of the
    experiment whose processes were killed are closed first.

    Args:
        run_id: the run to resume; if the store does not have it, a new run is started.
        name: of a new run.
        training: the block is the training itself: it logs CPU, memory, disk and GPU use, and ends the run.
        trained: the training is complete. A run that says otherwise, because the store was away when it ended, is
            closed as FINISHED.
        kept: a file for metrics that cannot be sent because the store has gone away; they are sent when it is back, and
            the block does not fail for it.

    Raises:
        UserError: the store cannot be used, or goes away without ``kept``.
    """
    mlflow = connect()
    left = False
    try:
        with _run(mlflow, experiment, run_id, name, training=training, trained=trained, kept=kept) as recorder:
            yield recorder
            left = True
    except store.failures() as error:
        if kept is None or not left:
            raise UserError(f"the MLflow store {store.shown()} has failed ({reason(error)}); {store.WAYS}.") from None
        log.warning(f"the MLflow store {store.shown()} is gone, so the run stays open there; the next verb closes it")


@contextlib.contextmanager
def _run(
    mlflow: Any,
    experiment: str,
    run_id: str | None,
    name: str | None,
    *,
    training: bool,
    trained: bool,
    kept: Path | None,
) -> Iterator[MLflowRecorder]:
    active = mlflow.active_run()
    if active is not None and run_id in (None, active.info.run_id):
        yield MLflowRecorder(mlflow, active.info.run_id, active.info.experiment_id)
        return
    client = mlflow.MlflowClient()
    with reaching(mlflow):
        close_abandoned(mlflow, experiment)
        known = None if run_id is None else _find(client, run_id)
        before = None if known is None or training else processes.Ended(known.info.status, known.info.end_time)
        if trained and before is not None and before.status in ("KILLED", "FAILED"):
            before = processes.Ended("FINISHED", None)
        opened = _open(mlflow, experiment, known, name, nested=active is not None)
        run_id = str(opened.info.run_id)
        # Another process has the run open, a training or one that adds to it; its mark stays, and it closes the run.
        shared = before is not None and before.status == "RUNNING"
        if not shared:
            processes.mark(client, run_id, before or processes.KILLED)
    try:
        with (
            opened,
            contextlib.closing(
                MLflowRecorder(mlflow, run_id, opened.info.experiment_id, system_metrics=training, kept=kept)
            ) as recorder,
        ):
            try:
                yield recorder
            except KeyboardInterrupt:
                mlflow.end_run("KILLED")
                raise
            finally:
                if shared:
                    info = client.get_run(run_id).info
                    before = processes.Ended(info.status, info.end_time)
    finally:
        if not shared:
            processes.close(client, run_id, before)
        elif before is not None and before.status != "RUNNING":  # the other one has closed it in the meantime
            client.set_terminated(run_id, before.status, before.time)
        else:
            client.update_run(run_id, "RUNNING")


def _find(client: Any, run_id: str) -> Any | None:
    """The run of an id, closed if its process is gone; None if the store does not have it, or has deleted it."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(run_id)
        if found.info.lifecycle_stage == "deleted":  # somebody has deleted it in the UI
            return None
        processes.close_if_gone(client, found)
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _open(mlflow: Any, experiment: str, known: Any | None, name: str | None, *, nested: bool) -> Any:
    """Start a run, or resume a known one in its own experiment."""
    if known is not None:
        return mlflow.start_run(run_id=known.info.run_id, nested=nested, log_system_metrics=False)
    if mlflow.get_experiment_by_name(experiment) is None:
        mlflow.create_experiment(experiment, store.artifacts_of(mlflow.get_tracking_uri(), experiment))
    mlflow.set_experiment(experiment)
    # So that the UI opens on charts and models, not on traces of a language model.
    mlflow.set_experiment_tag("mlflow.experimentKind", "custom_model_development")
    mlflow.set_experiment_tag(view.TAG, view.state())
    return mlflow.start_run(run_name=name, nested=nested, log_system_metrics=False)


def close_abandoned(mlflow: Any, experiment: str) -> None:
    """Close the runs of an experiment that processes of this machine left open when they were killed."""
    found = mlflow.get_experiment_by_name(experiment)
    if found is not None:
        processes.close_those_gone(mlflow.MlflowClient(), found.experiment_id)


def outcome(run_id: str | None, text: str) -> None:
    """Say in the run list what became of a run's model: refused, challenger, champion, and of which version.

    A verdict of the gate, one of `VERDICTS`, does not replace what was said of a registered version.

    Args:
        run_id: None, or an id that the present store does not have, is passed over: the model came from elsewhere.
        text: a few words; they are the value of a column.
    """
    client = connect().MlflowClient()
    run = None if run_id is None else _find(client, run_id)
    if run is not None and (text not in VERDICTS or run.data.tags.get(OUTCOME, text) in VERDICTS):
        _set_tag(client, str(run_id), OUTCOME, text)


def _set_tag(client: Any, run_id: str, key: str, value: str) -> None:
    """Set a tag also while another process sets it: where both add it, the store refuses one of them."""
    from mlflow.exceptions import MlflowException

    try:
        client.set_tag(run_id, key, value)
    except MlflowException:
        client.set_tag(run_id, key, value)


def run_of(folder: Path) -> str | None:
    """The id of the run that made a model folder; None if it was not tracked."""
    return read_json(folder / RUN_FILE, RunFile)["run_id"] if (folder / RUN_FILE).exists() else None


def write_run(folder: Path, run_id: str, experiment_id: str | None = None) -> None:
    """Write the run's id, and that of its experiment, to a model folder."""
    experiment = {} if experiment_id is None else {"experiment_id": experiment_id}
    write_json(folder / RUN_FILE, {"run_id": run_id} | experiment)
