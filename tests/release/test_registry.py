"""The registry, in real stores: registering is repeatable, and a model comes back unchanged."""

import contextlib
import re
import shutil
import sys

import mlflow
import numpy as np
import onnxruntime
import pytest
import torch

from tests import registrations
from wav2tok.audio import decode
from wav2tok.corpus import heard
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.release import champion, history, registry, versions
from wav2tok.release.pull import pull
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import store
from wav2tok.tracking.lookup import logged_model

NAMES = ("card.md", "export.json", "heard.json", "passport.json")


@registrations.ON_BOTH
def test_a_version_has_the_files_of_the_export_and_what_it_was_registered_with(exported):
    number, done = registrations.register(exported, "first", tags={"score": 0.25, "note": 3}, classes=["fall", "arch"])
    assert (number, done.alias, done.why) == ("1", "champion", "there was no champion")
    champion = versions.champion("first")
    assert str(champion.version) == "1"
    identity = Tokenizer.from_pretrained(exported, "cpu").identity
    assert {"score": "0.25", "note": "3", "identity": identity}.items() <= champion.tags.items()
    assert versions.classes(champion) == {"arch", "fall"}
    assert versions.heard_by(champion) == heard.read(exported)
    client = mlflow.MlflowClient()
    assert {*NAMES, "model.onnx"} <= {
        file.path for file in client.list_logged_model_artifacts(logged_model(champion.source))
    }


def test_a_version_of_before_does_not_say_what_it_has_heard(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "old")
    (tmp_path / "old" / "heard.json").unlink()
    registrations.register(tmp_path / "old", "silent")
    assert versions.heard_by(versions.champion("silent")) is None


def test_the_same_model_in_the_same_run_is_one_version(exported):
    with mlflow.start_run() as run:
        first = registry.register(exported, "once", {"score": 0.5})
        second = registry.register(exported, "once", {"score": 0.6})
    assert (first.version, second.version) == (second.version, first.version)
    assert second.tags["score"] == "0.6"
    assert second.run_id == run.info.run_id
    with mlflow.start_run():
        assert int(registry.register(exported, "once", {}).version) == int(first.version) + 1


CHANGES = (
    *("_create_logged_model", "log_model_artifacts", "finalize_logged_model", "set_logged_model_tags"),
    *("create_registered_model", "create_model_version", "set_model_version_tag", "delete_model_version_tag"),
    *("set_registered_model_alias", "delete_registered_model_alias"),
)


class Killed(BaseException):
    """As Ctrl-C or a lost machine: no handler of exceptions sees it."""


@contextlib.contextmanager
def killed_at(step, patch):
    """Let MLflow's client die before its change number ``step``; yields the names of the changes so far."""
    made = []
    with patch.context() as inside:
        for name in CHANGES:

            def counted(self, *arguments, _name=name, _own=getattr(mlflow.MlflowClient, name), **options):
                made.append(_name)
                if len(made) == step:
                    raise Killed
                return _own(self, *arguments, **options)

            inside.setattr(mlflow.MlflowClient, name, counted)
        yield made


@pytest.mark.slow
def test_a_registration_that_breaks_at_any_step_is_completed_by_the_next_call(exported, monkeypatch):
    def attempt(name, run_id):
        with mlflow.start_run(run_id=run_id):
            version = registry.register(exported, name, {"approved": "true"})
            return champion.contend(name, str(version.version), registrations.decreed(True), lambda why: None)

    def fresh():
        with mlflow.start_run() as run:
            return run.info.run_id

    registrations.register(exported, "whole")
    with killed_at(None, monkeypatch) as steps:
        attempt("whole", fresh())
    assert set(steps) == set(CHANGES) - {"delete_registered_model_alias"}
    client = mlflow.MlflowClient()
    for step in range(1, len(steps) + 1):
        name, run_id = f"broken-{step}", fresh()
        with mlflow.start_run():
            old = registry.register(exported, name, {"approved": "true"})
        client.set_registered_model_alias(name, "champion", old.version)
        with killed_at(step, monkeypatch) as made, pytest.raises(Killed):
            attempt(name, run_id)
        assert len(made) == step
        assert attempt(name, run_id).alias == "champion"
        state = versions.read(name)
        assert sorted(state.versions) == ["1", "2"], f"step {step}, {made[-1]}"
        assert state.aliases == {"champion": "2", "previous": "1"}, f"step {step}, {made[-1]}"
        assert "claim" not in state.versions["2"].tags
        assert [event.event for event in history.of_version(state.versions["2"])] == ["promoted"]
        kept = client.search_logged_models(
            [client.get_run(run_id).info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
        )
        assert [found.model_id for found in kept] == [logged_model(state.versions["2"].source)]


def test_a_version_holds_no_pickle(exported, tmp_path):
    registrations.register(exported, "signed")
    assert not list(store.fetch("models:/signed@champion", tmp_path).rglob("*.pkl"))


def test_registering_asks_for_the_cpu_and_prints_no_complaint(exported, capfd):
    """ONNX Runtime writes in colours to the error stream, in red where CUDA is asked for and there is no device."""
    registrations.register(exported, "quiet")
    flavor = mlflow.models.get_model_info("models:/quiet@champion").flavors["onnx"]
    assert flavor["providers"] == ["CPUExecutionProvider"]
    assert not re.search("CUDA|onnxruntime:", "".join(capfd.readouterr()))


def test_what_comes_back_tokenizes_as_torch_does(exported, tiny_model, tiny_corpus):
    registrations.register(exported, "back")
    tokenizer = Tokenizer.from_pretrained("models:/back@champion", "cpu")
    bare = onnxruntime.InferenceSession(
        mlflow.onnx.load_model("models:/back@champion").SerializeToString(), providers=["CPUExecutionProvider"]
    )
    model, config, _ = checkpoint.load(tiny_model)
    waves = [decode.read(path, config.data.sample_rate) for path in sorted(tiny_corpus.rglob("*.flac"))[::5]]
    samples = np.array([len(wave) for wave in waves], dtype=np.int64)
    batch = np.zeros((len(waves), samples.max()), dtype=np.float32)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    with torch.inference_mode():
        tokens, frames = (t.numpy() for t in model(torch.from_numpy(batch), torch.from_numpy(samples)))
    inside = np.arange(tokens.shape[1])[None] < frames[:, None]
    by_onnx = bare.run(None, {"waveform": batch, "samples": samples})
    got, count = by_onnx
    assert np.array_equal(count, frames)
    assert np.array_equal(np.where(inside, got, 0), np.where(inside, tokens, 0))
    for own, row, count in zip(tokenizer.encode_frames(waves, config.data.sample_rate), tokens, frames, strict=True):
        assert np.array_equal(own, row[:count])
    assert len(np.unique(tokens[inside])) > 1
    assert tokenizer.sample_rate == config.data.sample_rate


def test_a_model_that_nobody_registered(exported, tmp_path):
    with pytest.raises(UserError, match="models:/nobody@champion is not in the store "):
        store.fetch("models:/nobody@champion", tmp_path)
    with pytest.raises(UserError, match="is not in the store"):
        Tokenizer.from_pretrained("models:/nobody/3")
    assert versions.champion("nobody") is None


def test_a_name_without_a_champion(exported, tmp_path):
    mlflow.MlflowClient().create_registered_model("headless")
    assert versions.champion("headless") is None
    with pytest.raises(UserError, match="models:/headless@champion"):
        store.fetch("models:/headless@champion", tmp_path)
    assert registrations.register(exported, "headless")[1].alias == "champion"


def test_downloads_do_not_pile_up(exported, tmp_path, monkeypatch):
    """A service that loads the champion each hour must not fill the disk."""
    import tempfile

    registrations.register(exported, "often")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for _ in range(2):
        Tokenizer.from_pretrained("models:/often@champion", "cpu")
    pull("models:/often@champion", tmp_path / "model")
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert "mlflow" in sys.modules
