"""The registry, in a real store: which version becomes the champion, and whether a model comes back unchanged."""

import re
import sys

import mlflow
import numpy as np
import onnxruntime
import pytest
import torch

from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.release import registry
from wav2tok.stages.export import export
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import store


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model):
    """The folder of the store, with what ``wav2tok export`` wrote of the tiny model."""
    root = tmp_path_factory.mktemp("store")
    export(tiny_model, None, root / "export")
    return root


@pytest.fixture
def exported(place, monkeypatch, request):
    """The exported folder, with the store connected and a run of the test's own active."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    mlflow.set_tracking_uri(None)
    mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    mlflow.set_experiment("registry")
    with mlflow.start_run(run_name=request.node.name):
        yield place / "export"
    mlflow.set_tracking_uri(None)


def never(tokenizer):
    raise AssertionError("the champion's score is known")


def version(name, alias):
    return str(mlflow.MlflowClient().get_model_version_by_alias(name, alias).version)


def test_the_first_version_is_the_champion(exported):
    done = registry.register(exported, "first", 0.25, "digest", never, {"approved": "true", "note": 3})
    assert done == registry.Registered("first", "1", "champion", "there was no champion")
    champion = registry.champion("first")
    assert str(champion.version) == "1"
    assert {"score": "0.25", "test_digest": "digest", "approved": "true", "note": "3"}.items() <= champion.tags.items()
    assert champion.run_id == mlflow.active_run().info.run_id
    assert champion.description == (exported / "card.md").read_text()


def test_only_a_better_one_moves_the_champion(exported):
    def register(score):
        return registry.register(exported, "contest", score, "digest", never, {})

    assert register(0.5).alias == "champion"
    lower = register(0.4)
    assert (lower.version, lower.alias) == ("2", "challenger")
    assert "0.400 against 0.500" in lower.why
    assert "version 1" in lower.why
    assert (version("contest", "champion"), version("contest", "challenger")) == ("1", "2")
    assert register(0.5).alias == "challenger"  # a tie does not win
    assert version("contest", "champion") == "1"
    higher = register(0.6)
    assert (higher.version, higher.alias) == ("4", "champion")
    assert version("contest", "champion") == "4"


@pytest.mark.parametrize(("measured", "alias"), [(0.7, "challenger"), (0.3, "champion")])
def test_a_champion_of_other_recordings_is_measured_on_these(exported, measured, alias):
    name = f"other-{alias}"
    registry.register(exported, name, 0.1 if alias == "challenger" else 0.9, "old recordings", never, {})
    seen = []

    def measure(tokenizer):
        seen.append(tokenizer)
        return measured

    done = registry.register(exported, name, 0.5, "new recordings", measure, {})
    assert done.alias == alias  # by what was measured, though the score it was registered with says the opposite
    assert f"0.500 against {measured:.3f}" in done.why
    (tokenizer,) = seen
    assert tokenizer.codebook.shape == Tokenizer.from_pretrained(exported, "cpu").codebook.shape


def test_a_champion_of_other_classes_is_kept(exported):
    def register(classes, score):
        return registry.register(exported, "classes", score, "digest", never, {}, classes)

    assert register(["ode", "air"], 0.5).alias == "champion"
    other = register(["air", "seven"], 0.9)
    assert other.alias == "challenger"
    assert "version 1, was trained on 1 classes that this model does not know, such as ode" in other.why
    assert register([], 0.9).alias == "challenger"
    more = register(["ode", "air", "seven"], 0.6)
    assert more.alias == "champion"
    registry.promote("classes", other.version)
    assert version("classes", "champion") == other.version


def test_a_version_holds_no_pickle(exported, tmp_path):
    registry.register(exported, "signed", 0.5, "digest", never, {})
    folder = store.fetch("models:/signed@champion", tmp_path)
    assert not list(folder.rglob("*.pkl"))


def test_registering_asks_for_the_cpu_and_prints_no_complaint(exported, capfd):
    """ONNX Runtime writes in colours to the error stream, in red where CUDA is asked for and there is no device."""
    registry.register(exported, "quiet", 0.5, "digest", never, {})
    flavor = mlflow.models.get_model_info("models:/quiet@champion").flavors["onnx"]
    assert flavor["providers"] == ["CPUExecutionProvider"]
    assert not re.search("CUDA|onnxruntime:", "".join(capfd.readouterr()))


def test_what_comes_back_tokenizes_as_torch_does(exported, tiny_model, tiny_corpus):
    registry.register(exported, "back", 0.5, "digest", never, {})
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
    with pytest.raises(UserError, match="models:/nobody@champion is not in the store sqlite"):
        store.fetch("models:/nobody@champion", tmp_path)
    with pytest.raises(UserError, match="is not in the store"):
        Tokenizer.from_pretrained("models:/nobody/3")
    assert registry.champion("nobody") is None


def test_a_name_without_a_champion(exported, tmp_path):
    mlflow.MlflowClient().create_registered_model("headless")
    assert registry.champion("headless") is None
    with pytest.raises(UserError, match="models:/headless@champion"):
        store.fetch("models:/headless@champion", tmp_path)
    assert registry.register(exported, "headless", 0.1, "digest", never, {}).alias == "champion"


def test_promoting_by_hand(exported):
    for score in (0.5, 0.4):
        registry.register(exported, "hand", score, "digest", never, {})
    registry.promote("hand", "2")
    assert version("hand", "champion") == "2"
    for name, number in (("hand", "3"), ("hand", "x"), ("nobody", "1")):
        with pytest.raises(UserError, match=f"{name} version {number} cannot be promoted"):
            registry.promote(name, number)
    assert version("hand", "champion") == "2"


def test_pulling_is_whole_or_not_at_all(exported, tmp_path, tiny_corpus):
    registry.register(exported, "pulled", 0.5, "digest", never, {})
    graph = registry.pull("models:/pulled@champion", tmp_path / "model")
    assert graph == tmp_path / "model" / "tokenizer.onnx"
    wave = decode.read(tiny_corpus / "fall" / "eva_0.flac", 8000)
    assert np.array_equal(
        Tokenizer.from_pretrained(tmp_path / "model", "cpu").encode([wave], 8000)[0],
        Tokenizer.from_pretrained(exported, "cpu").encode([wave], 8000)[0],
    )
    with pytest.raises(UserError):
        registry.pull("models:/pulled@nobody", tmp_path / "model")
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert graph.exists()


def test_downloads_do_not_pile_up(exported, tmp_path, monkeypatch):
    """A service that loads the champion each hour must not fill the disk."""
    import tempfile

    registry.register(exported, "often", 0.5, "digest", never, {})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for _ in range(2):
        Tokenizer.from_pretrained("models:/often@champion", "cpu")
    registry.pull("models:/often@champion", tmp_path / "model")
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert "mlflow" in sys.modules
