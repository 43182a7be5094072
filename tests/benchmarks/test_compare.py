"""Comparison and scaling on a tiny scale: the same work by other systems, corpora of links, long files."""

import dataclasses
import pickle
from pathlib import Path

import pytest
import soundfile
import torch

from benchmarks import compare, scaling
from benchmarks.goals import GOALS
from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.config.schema import Config
from wav2tok.speed import parts
from wav2tok.speed.parts import Bench
from wav2tok.speed.table import Row


@pytest.fixture(scope="module")
def bench(tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    recipes = {name: dataclasses.replace(r, batch_size=12) for name, r in tiny_config.recipes.items()}
    config = dataclasses.replace(tiny_config, recipes=recipes)
    return Bench(config, torch.device("cpu"), tmp_path_factory.mktemp("bench"), 0.5, 96)


def test_the_plain_implementation_is_measured_at_the_tables_parts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "HOUR", 16.0)
    monkeypatch.setattr(compare, "median_seconds", lambda run, **_: parts.median_seconds(run, least_seconds=0.0))
    rates = compare.plain_rates(bench)
    assert set(rates) == {
        "reading and decoding", "augmentation", "features", "E-step, embeddings", "E-step, k-means", "training step",
        "training step, EM", "tokenizing waveforms", "tokenizing files", "matching, edit distance",
    }  # fmt: skip
    assert min(rates.values()) > 0


def test_rows_take_the_figures_of_other_systems() -> None:
    rows = [Row("training step", "", 500.0), Row("epoch", "", 1.0)]
    step, epoch = compare.with_others(rows, {"training step": 20.0}, {"training step": 5.0})
    assert (step.plain, step.pretrained) == (20.0, 5.0)
    assert (epoch.plain, epoch.pretrained) == (None, None)


def test_corpora_of_copies_and_long_files_have_their_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "RECORDING_SECONDS", 0.5)
    decode.write(tmp_path / "a.flac", scaling.workload.waveform(0, 0, 0.5, 8000), 8000)
    folder = scaling.corpus(tmp_path / "corpus", [str(tmp_path / "a.flac")], 60 / 3600)
    assert len(find(folder)) == 120
    assert sum(decode.seconds(path) for path in find(folder)) == pytest.approx(60)
    train, test = pickle.loads((folder / "audios.bin").read_bytes())
    assert sum(map(len, train.values())) == 96
    assert sum(map(len, test.values())) == 24
    scaling.long_file(tmp_path / "a.wav", 2, 1000)
    assert soundfile.info(tmp_path / "a.wav").duration == 120


def test_corpora_and_long_files_are_measured_in_processes_of_their_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands are those of users; what they took is named and judged."""
    seen: list[list[str]] = []

    def measured(command: list[str]) -> tuple[float, float]:
        seen.append([word for word in command if not word.startswith("/")])
        return 1.0 + len(seen), 300.0 if len(seen) < 5 else 900.0

    monkeypatch.setattr(scaling, "peak_memory", measured)
    monkeypatch.setattr(scaling, "DISTINCT", 24)
    monkeypatch.setattr(scaling, "RECORDING_SECONDS", 0.5)
    rows, curves = scaling.corpora(bench, [0.01, 0.02, 0.04], 0.02)
    assert [command[2] for command in seen] == ["train", "tokenize", "train", "tokenize", "train"]
    assert "train.epochs=1" in seen[0]
    # Training took 2, 4 and 6 seconds.
    assert [(row.part, row.measured, row.unit) for row in rows] == [
        ("preparing a corpus", pytest.approx(2 / 0.01), "s per hour of audio"),
        ("preparing a corpus, the largest", pytest.approx(2 / 0.02), "s per hour of audio"),
        ("training, memory", 300.0, "MiB"),
        ("training, memory, the largest corpus", 900.0, "MiB"),
        ("tokenizing a corpus", pytest.approx(3600 * 0.02 / 5), "audio s/s"),
        ("tokenizing, memory", 300.0, "MiB"),
        ("tokenizing, memory, the largest corpus", 300.0, "MiB"),
    ]
    time, memory = curves
    assert time.x == [0.01, 0.02, 0.04, 1000.0]
    assert time.lines["training's preparation"][-1] is None
    assert time.lines["the same by the cost of the last hours"][2:] == pytest.approx([6 / 0.04, 100.0], rel=1e-3)
    assert memory.lines["tokenizing"] == [300.0, 300.0, None]
    assert not list(bench.folder.glob("corpus*"))
    rows, curve = scaling.long_files(bench, (0.01, 1, 2))
    assert [row.measured for row in rows[1:]] == [900.0, 900.0]
    assert curve.lines["tokenizing"] == [900.0] * 3
    assert {row.part for row in rows} >= {part for part in GOALS if part.endswith("file")}


@pytest.mark.slow
def test_curves_have_a_cost_for_every_size(bench: Bench, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr(parts, "HOUR", 16.0)
    for name, few in (("LENGTHS", (0.5, 1.0)), ("PAIRS", (4, 8)), ("TOKENS", (4, 8))):
        monkeypatch.setattr(scaling, name, few)
    monkeypatch.setattr(scaling, "median_seconds", lambda run, **_: parts.median_seconds(run, least_seconds=0.0))
    monkeypatch.setattr(scaling, "pretrained_tokens", lambda *_: 10.0)  # 95 million parameters take their time
    monkeypatch.setattr(scaling, "SLOW_SECONDS", 0.7)
    row, of_lengths = scaling.lengths(bench)
    assert row.measured == pytest.approx(3600 / of_lengths.lines["training"][-1])
    for curve in (
        of_lengths,
        scaling.batches(bench),
        scaling.codebooks(bench),
    ):
        assert len(curve.x) == 2
        if curve.name == "audio length":
            assert curve.lines["HuBERT, tokenizing"] == [360.0, None]
            assert curve.lines["plain, training"][1] is None
        for label in ("training", "tokenizing", "k-means of an E-step"):
            assert all(value and value > 0 for value in curve.lines.get(label, [1.0]))
    assert {"recordings of 0.5 s", "recordings of 1 s", "batches of 4 pairs", "batches of 8 pairs", "4 tokens",
            "8 tokens"} <= set(lines)  # fmt: skip
