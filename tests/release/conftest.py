"""The stores that the registry is tested in: an SQLite file, and a server with authentication on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from wav2tok.stages.export import export


@pytest.fixture(scope="session")
def exported_once(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """What ``wav2tok export`` wrote of the tiny model."""
    out = tmp_path_factory.mktemp("exported") / "export"
    export(tiny_model, None, out)
    return out


@pytest.fixture(scope="session")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for an SQLite store."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def exported(
    request: pytest.FixtureRequest, exported_once: Path, sqlite_store: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The exported folder, with a store connected: the file, but for tests that are marked `registrations.ON_BOTH`."""
    monkeypatch.chdir(sqlite_store)
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    values = {"MLFLOW_TRACKING_URI": f"sqlite:///{sqlite_store}/mlflow.db"}
    if getattr(request, "param", "sqlite") == "postgresql":
        values = request.getfixturevalue("mlflow_server").environment
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(None)
    mlflow.set_tracking_uri(values["MLFLOW_TRACKING_URI"])
    mlflow.set_experiment("registry")
    yield exported_once
    mlflow.set_tracking_uri(None)
