"""The profile ``humming`` from recordings to a report: nothing is learned but the codebook."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wav2tok.config.parameters import load
from wav2tok.config.schema import Config
from wav2tok.files import read_json
from wav2tok.model import checkpoint
from wav2tok.model.features import contour
from wav2tok.model.folder import ModelFolder
from wav2tok.sample import corpus
from wav2tok.stages.cluster import cluster
from wav2tok.stages.evaluate import evaluate
from wav2tok.stages.export import export
from wav2tok.stages.split import split
from wav2tok.stages.train import TrainRun, train
from wav2tok.tokenizer.tokenizer import Tokenizer

OVERRIDES = [
    "profile=humming",
    "codebook.num_tokens=24",
    "evaluate.tempos=[0.8]",
    "evaluate.semitones=[-3]",
    "evaluate.baselines=[kmeans_logmel]",
    "evaluate.curve_queries=0",
    "evaluate.bootstrap=20",
]


@pytest.fixture(scope="module")
def config() -> Config:
    return load(None, OVERRIDES)


@pytest.fixture(scope="module")
def data(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three melodies by two singers to test on, and the same number of others to learn from."""
    folder = tmp_path_factory.mktemp("humming")
    corpus.make(folder / "sung", seed=1, melodies=3, singers=2)
    corpus.make(folder / "more", seed=2, melodies=3, singers=3)
    by_class = load(None, [*OVERRIDES, "split.kind=dict"])
    split(folder / "sung", folder / "audios.bin", by_class, also=[folder / "more"], only_test=True)
    return folder / "audios.bin"


@pytest.fixture(scope="module")
def model(data: Path, config: Config) -> Path:
    out = data.parent / "model"
    progress = train(TrainRun(data, out, None, config, "cpu", fresh=False))
    assert (progress.finished, progress.epoch, progress.step) == (True, 0, 0)
    return out


def test_the_encoder_stays_and_most_tokens_are_in_use(model: Path) -> None:
    best, _, info = checkpoint.load(model)
    assert torch.equal(best.encoder.get_parameter("weight"), torch.eye(150))
    assert (info["best_epoch"], best.codebook.shape) == (0, (24, 150))
    (row,) = read_json(ModelFolder(model).history)
    assert row["epoch"] == 0
    assert row["valid_use"] > 0.8


def test_the_exported_graph_and_its_report_match_in_five_keys(data: Path, model: Path, config: Config) -> None:
    report, out = data.parent / "report", data.parent / "export"
    verdict = evaluate(data, str(model), report, config, "cpu", track=False)
    assert "wav2tok, local alignment in 5 keys" in (report / "table.txt").read_text(encoding="utf-8")
    assert set(read_json(report / "metrics.json")) >= {"V", "TS", "PS"}
    export(model, report if verdict.approved else None, out)
    tokenizer = Tokenizer.from_pretrained(out, "cpu")
    assert tokenizer.metadata.config["train"]["epochs"] == 0
    assert tokenizer.metadata.pretrained == contour.ORIGIN.to_dict()


def test_a_codebook_of_cluster_is_trained_on(data: Path, model: Path, config: Config, tmp_path: Path) -> None:
    cluster(data, tmp_path / "first", config, "cpu")
    train(TrainRun(data, tmp_path / "model", tmp_path / "first", config, "cpu", fresh=False))
    ours, theirs = (checkpoint.load(folder)[0].codebook.numpy() for folder in (tmp_path / "model", model))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_finished_training_stays_as_it_is(data: Path, model: Path, config: Config) -> None:
    before = (model / "tokenizer.onnx").read_bytes()
    assert train(TrainRun(data, model, None, config, "cpu", fresh=False)).finished
    assert (model / "tokenizer.onnx").read_bytes() == before
