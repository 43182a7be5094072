"""Models from the registry: which version a name means, and what the cache keeps of it, in a real store."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from tests import registrations
from wav2tok.errors import UserError
from wav2tok.stages.export import export
from wav2tok.tokenizer import cache
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import lookup


@pytest.fixture
def registered(tiny_model, tmp_path, monkeypatch):
    """A store with ``tiny`` version 1, the champion; its folder and cache are the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    export(tiny_model, None, tmp_path / "export")
    mlflow.set_experiment("cache")
    registrations.register(tmp_path / "export", "tiny")
    yield tmp_path
    mlflow.set_tracking_uri(None)


ASK = """
import sys
from wav2tok import Tokenizer
print(Tokenizer.from_pretrained("models:/tiny@champion", "cpu").source, "mlflow" in sys.modules)
"""


def started() -> str:
    return subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True).stdout.strip()


def test_the_second_start_needs_no_mlflow(registered):
    assert started() == "models:/tiny/1 True"
    assert started() == "models:/tiny/1 False"
    # The alias is asked of the store each time.
    registrations.register(registered / "export", "tiny")
    assert started() == "models:/tiny/2 True"
    assert started() == "models:/tiny/2 False"


def test_the_store_and_mlflow_agree(registered):
    found = lookup.find("models:/tiny@champion")
    assert found == lookup.find("models:/tiny/1")
    by_mlflow = mlflow.MlflowClient().get_model_version_by_alias("tiny", "champion")
    assert (found.number, f"models:/{found.model_id}") == (str(by_mlflow.version), by_mlflow.source)
    assert found.identity == Tokenizer.from_pretrained(registered / "export", "cpu").identity
    assert lookup.find("runs:/0123/model") is None
    with pytest.raises(UserError, match="models:/tiny@nobody is not in the store"):
        lookup.find("models:/tiny@nobody")


def test_a_changed_file_in_the_cache_is_not_used(registered):
    Tokenizer.from_pretrained("models:/tiny/1", "cpu")
    version = lookup.find("models:/tiny/1")
    kept = cache.find(version)
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    assert cache.find(version) is None
    Tokenizer.from_pretrained("models:/tiny/1", "cpu")
    assert cache.find(version) == kept


def test_another_store_with_the_same_numbers_is_another_model(registered, tiny_model, monkeypatch):
    Tokenizer.from_pretrained("models:/tiny/1", "cpu")
    uri = f"sqlite:///{registered}/other.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("cache")
    registrations.register(registered / "export", "tiny")
    assert cache.find(lookup.find("models:/tiny/1")) is None


def test_a_graph_that_is_not_the_registered_one_is_refused(registered):
    client = mlflow.MlflowClient()
    client.set_model_version_tag("tiny", "1", lookup.IDENTITY, "0" * 16)
    with pytest.raises(UserError, match="the graph of models:/tiny/1 is not the one that was registered"):
        Tokenizer.from_pretrained("models:/tiny@champion", "cpu")


def test_the_cache_keeps_the_versions_used_last(registered, monkeypatch):
    monkeypatch.setattr(cache, "KEPT", 2)
    graph = registered / "export" / "tokenizer.onnx"
    versions = [lookup.Version("tiny", str(n), f"m-{n:032x}", None) for n in range(3)]
    for version in versions[:2]:
        cache.keep(version, graph)
    os.utime(cache.find(versions[1]).parent, (1, 1))
    cache.keep(versions[2], graph)
    assert [cache.find(version) is not None for version in versions] == [True, False, True]


def test_without_a_writable_cache_all_is_as_before(registered, monkeypatch):
    (registered / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(registered / "file"))
    assert Tokenizer.from_pretrained("models:/tiny/1", "cpu").source == "models:/tiny/1"


def test_a_store_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(UserError, match=r"there is no MLflow store .*none\.db"):
        Tokenizer.from_pretrained("models:/tiny/1", "cpu")
    assert not Path("none.db").exists()
