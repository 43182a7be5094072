"""The nightly evaluation, of a champion that is really trained, exported and registered."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows import process
from flows.evaluate import OUT, evaluate_champion
from tests import registrations
from wav2tok.config.parameters import to_dict
from wav2tok.report.folder import ReportFolder
from wav2tok.stages.export import export

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture
def project(tmp_path: Path, tiny_split: Path, tiny_config: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a split and a store of its own, but without a champion."""
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    shutil.copytree(tiny_split.parent, root / "artifacts")
    values = to_dict(tiny_config)
    values["gate"] |= {"min_mrr": 0.0, "min_map": 0.0, "min_codebook_use": 0.0, "beat": []}
    values["evaluate"] |= {"baselines": [], "curve_queries": 0}
    values["schedule"] |= {"retries": 0}
    (root / "params.yaml").write_text(yaml.safe_dump(values))
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    return root


@pytest.fixture
def champion(project: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, whose champion is the tiny model."""
    export(tiny_model, None, tmp_path / "export")
    mlflow.set_tracking_uri(f"sqlite:///{project}/mlflow.db")
    monkeypatch.chdir(project)
    mlflow.set_experiment("evaluation")
    registrations.register(tmp_path / "export", "wav2tok")
    mlflow.set_tracking_uri(None)
    return project


def test_a_champion_that_passes_the_gate(champion, server):
    state = evaluate_champion(champion, return_state=True)
    assert state.is_completed(), state.message
    assert state.message == f"models:/wav2tok@champion passes the gate; its report is {champion.resolve() / OUT}"
    assert ReportFolder(champion / OUT).page.exists()
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["champion-retrieval"]))
        (found,) = client.read_artifacts(artifact_filter=wanted)
    assert {row["system"] for row in yaml.safe_load(found.data)} >= {"wav2tok"}


def test_a_champion_that_the_gate_refuses_today_is_a_failure(champion, server):
    path = champion / "params.yaml"
    values = yaml.safe_load(path.read_text())
    values["gate"]["min_mrr"] = 1.0
    path.write_text(yaml.safe_dump(values))
    state = evaluate_champion(champion, return_state=True)
    assert state.is_failed()
    assert state.message.startswith("models:/wav2tok@champion does not pass the gate today: MRR on ")


def test_without_a_champion_the_module_says_so(project, server):
    done = subprocess.run(
        [sys.executable, "-m", "flows.evaluate", "--root", str(project)],
        cwd=PROJECT, env=os.environ | {"PREFECT_API_URL": server}, text=True, capture_output=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("evaluate: evaluate failed: ")
    assert "champion" in last


def test_it_is_skipped_while_another_run_works(project, server):
    with process.alone(project):
        state = evaluate_champion(project, return_state=True)
    assert (state.type, state.name) == ("CANCELLED", "Skipped")
