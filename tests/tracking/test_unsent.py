"""Metrics wait on disk while the store does not take them, and are sent when it does; in a real store."""

import sqlite3
from pathlib import Path

import mlflow
import pytest

from wav2tok.errors import UserError
from wav2tok.tracking import runs, unsent


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _rename(here: Path, old: str, new: str) -> None:
    with sqlite3.connect(here / "mlflow.db") as database:
        database.execute(f"ALTER TABLE {old} RENAME TO {new}")


def _losses(run_id: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in mlflow.MlflowClient().get_metric_history(run_id, "loss")]


@pytest.mark.promise(
    "The MLflow store goes away during a training", "Training goes on; the metrics are kept and sent when it is back."
)
def test_metrics_wait_while_the_store_is_away(here: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsent, "RETRY_SECONDS", 0.0)
    kept = here / "unsent.jsonl"
    with runs.run("hums", kept=kept) as recorder:
        recorder.metrics([(1, {"loss": 3.0})])
        _rename(here, "metrics", "gone")
        recorder.metrics([(2, {"loss": 2.0})])
        recorder.metrics([(3, {"loss": 1.0, "other": float("nan")})])
        assert len(kept.read_text().splitlines()) == 2
        _rename(here, "gone", "metrics")
        recorder.metrics([(4, {"loss": 0.5})])
        assert not kept.exists()
    assert _losses(recorder.run_id) == [(1, 3.0), (2, 2.0), (3, 1.0), (4, 0.5)]
    assert sum("no longer answers" in line for line in lines) == 1
    assert any("2 metrics were sent" in line for line in lines)


def test_what_was_kept_is_sent_by_the_next_process(here: Path) -> None:
    kept = here / "unsent.jsonl"
    kept.write_text('["loss", 2.0, 1700000000000, 2]\n["loss", 1.0, 17000')  # killed while it wrote
    with runs.run("hums", kept=kept) as recorder:
        recorder.metrics([(3, {"loss": 0.5})])
    assert _losses(recorder.run_id) == [(2, 2.0), (3, 0.5)]
    assert not kept.exists()


def test_without_a_file_a_store_that_fails_ends_the_block_with_a_sentence(here: Path) -> None:
    with pytest.raises(UserError, match=r"the MLflow store sqlite:///.*mlflow\.db has failed"):  # noqa: PT012, SIM117
        with runs.run("hums") as recorder:
            _rename(here, "metrics", "gone")
            recorder.metrics([(1, {"loss": 3.0})])


def test_a_run_that_was_deleted_does_not_block(here: Path) -> None:
    with runs.run("hums") as first:
        first.metrics([(1, {"loss": 3.0})])
    mlflow.MlflowClient().delete_run(first.run_id)
    with runs.run("hums", run_id=first.run_id, name="evaluate") as second:
        second.tags({"approved": "true"})
    assert second.run_id != first.run_id
    runs.outcome(first.run_id, "refused")
    assert "outcome" not in mlflow.get_run(first.run_id).data.tags
