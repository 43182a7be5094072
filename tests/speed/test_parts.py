"""Every part is measured, on the work that its row names."""

import dataclasses

import pytest
import torch

from wav2tok.config.schema import Config
from wav2tok.speed import parts
from wav2tok.speed.machine import features_flop
from wav2tok.speed.parts import Bench
from wav2tok.speed.table import Row


@pytest.fixture(scope="module")
def bench(tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    recipes = {name: dataclasses.replace(r, batch_size=12) for name, r in tiny_config.recipes.items()}
    config = dataclasses.replace(tiny_config, recipes=recipes)
    return Bench(config, torch.device("cpu"), tmp_path_factory.mktemp("bench"), 0.5, 96)


def test_the_transform_costs_its_matrix_products() -> None:
    """Multiplications by hand: 1024 = 32 x 32, 17 rows of the first step, 64 mel bands, 13 coefficients."""
    assert features_flop(Config()) == 2 * (32 * 34 * 32 + 17 * 64 * 64 + 17 * 32 * 64 + 64 * 13)


def test_every_part_is_measured(bench: Bench, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr(parts, "HOUR", 64.0)
    monkeypatch.setattr(parts, "STEPS", 2)
    monkeypatch.setattr(Bench, "median", lambda self, run: parts.median_seconds(run, least_seconds=0.01))
    rows = bench.rows()
    assert [row.part for row in rows] == [
        "reading and decoding", "augmentation", "features", "E-step, embeddings", "E-step, k-means",
        "E-step of a large corpus", "training step", "alignment and contrast", "training step, EM", "epoch",
        "epoch, speed with augmentation", "epoch, validation", "tokenizing waveforms", "tokenizing files",
        "tokenizing waveforms, wav2tok:humming", "tokenizing waveforms, wav2tok:speech", "wav2tok tokenize",
        "matching, edit distance",
    ]  # fmt: skip
    assert all(row.measured > 0 for row in rows)
    assert all(row.floor is None or row.floor > 0 for row in rows)
    assert len([line for line in lines if line.startswith("measuring ")]) == 9
    by_part: dict[str, Row] = {row.part: row for row in rows}
    assert by_part["tokenizing files"].work == "96 of 0.5 s"
    assert by_part["wav2tok tokenize"].unit == "s"
    assert by_part["epoch, validation"].measured < 100
    assert "network, forward and backward" in by_part["training step"].note
