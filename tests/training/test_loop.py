"""Real trainings on the tiny corpus: they learn, repeat bit by bit, and go on as if never interrupted."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch
from safetensors.torch import load_file

from tests.helpers import changed
from tests.training.trainings import assert_same, clipped, fit, trainer, weights
from wav2tok.audio import decode
from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings, Splits
from wav2tok.errors import UserError
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.ranking import mrr_map
from wav2tok.model import checkpoint
from wav2tok.spectra.embed import tokenize
from wav2tok.spectra.store import fill
from wav2tok.stages.train import TrainRun, train
from wav2tok.training.batches import LoadedBatch
from wav2tok.training.loop import Trainer, schedule
from wav2tok.training.progress import data_digest, fingerprint
from wav2tok.training.recorder import SilentRecorder


def test_the_loss_falls(whole: Path) -> None:
    history = json.loads((whole / "history.json").read_text())
    assert [row["epoch"] for row in history] == list(range(1, 7))
    assert history[3]["sequence"] < history[0]["sequence"] - 0.3
    assert history[3]["matching"] is None
    assert {"matching", "likelihood", "likelihood_back", "aligned", "sequence"} <= history[4].keys()


def test_a_training_in_bfloat16_repeats_and_has_weights_in_float32(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    rounded = changed(tiny_config, train={"epochs": 1, "precision": "bfloat16"})
    for name, config in (("a", rounded), ("b", rounded), ("c", changed(tiny_config, train={"epochs": 1}))):
        fit(tiny_split, tmp_path / name, config)
    assert_same(tmp_path / "a", tmp_path / "b")
    last, exact = (weights(tmp_path / name)["last"] for name in "ac")
    weighed = [key for key, x in last.items() if x.is_floating_point()]
    assert {last[key].dtype for key in weighed} == {torch.float32}
    assert any(not torch.equal(last[key], exact[key]) for key in weighed)


def test_sequence_contrast_alone_retrieves_better_than_random_weights(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    """Melodies by voices not in the training data, queried lower and slower by a tenth, by plain edit distance."""
    recipe = {
        "contrast_share": 1.0, "sequence_weight": 1.0, "frame_weight": 0.0, "codeword_weight": 0.0,
        "aligned_weight": 0.0, "matching_weight": 0.0, "alpha": 0.0, "beta": 0.0,
    }  # fmt: skip
    fit(tiny_split, tmp_path, changed(tiny_config, recipe=recipe, train={"epochs": 10, "patience": 10}))
    test = audios_bin.read(tiny_split).test
    waves = [decode.read(path, 8000) for path in test.paths]
    lower = [soxr.resample(wave, 8000, 8800) for wave in waves]
    classes = np.array(test.classes)
    relevant, itself = classes[:, None] == classes, np.eye(len(test), dtype=bool)
    found = {}
    for name in ("untrained", "last"):
        model = checkpoint.load(tmp_path, name)[0]
        asked, known = (tokenize(model, fill(w, model.front_end, None, torch.device("cpu"))) for w in (lower, waves))
        found[name] = mrr_map(edit_distances(asked, known), relevant, ~itself)[1]
    assert found["last"] > found["untrained"] + 0.1, found


def test_the_best_model_is_the_one_of_the_best_score(whole: Path) -> None:
    history = json.loads((whole / "history.json").read_text())
    info = checkpoint.peek(whole / "wav2tok_best.safetensors")
    assert info["best"] == max(row["valid_score"] for row in history)
    assert info["best_epoch"] == next(r["epoch"] for r in history if r["valid_score"] == info["best"])


def test_the_same_seed_gives_the_same_weights(
    tiny_split: Path, long_config: Config, whole: Path, tmp_path: Path
) -> None:
    torch.manual_seed(99)  # whatever ran before
    fit(tiny_split, tmp_path, long_config)
    assert_same(whole, tmp_path)


def test_another_seed_gives_other_weights(
    tiny_split: Path, tiny_config: Config, tiny_model: Path, tmp_path: Path
) -> None:
    fit(tiny_split, tmp_path, dataclasses.replace(tiny_config, seed=1))
    one, two = (load_file(folder / "last.safetensors") for folder in (tiny_model, tmp_path))
    assert not torch.equal(one["model.encoder.projection.weight"], two["model.encoder.projection.weight"])


def tones(folder: Path, *pitches: float) -> Recordings:
    """Recordings of half a second each, one a pitch."""
    time = np.arange(4000) / 8000
    for i, pitch in enumerate(pitches):
        decode.write(folder / f"{i}.wav", 0.3 * np.sin(2 * np.pi * pitch * time), 8000)
    return Recordings(tuple(str(folder / f"{i}.wav") for i in range(len(pitches))))


def test_a_fingerprint_tells_data_and_parameters_that_training_reads(tiny_config: Config, tmp_path: Path) -> None:
    two = tones(tmp_path, 200, 300)
    a, b = dataclasses.replace(two, classes=("x", "y")), two.take([0])
    data = data_digest(a, b)
    first = fingerprint(tiny_config, data)
    assert first == fingerprint(from_dict(to_dict(tiny_config)), data)
    assert first == fingerprint(changed(tiny_config, gate={"min_mrr": 0.9}), data)
    # These decide where training starts and what it stores, but not its results.
    assert first == fingerprint(changed(tiny_config, train={"start_epoch": 2, "autosave_epoch": 9}), data)
    others = [
        fingerprint(changed(tiny_config, features={"n_mels": 25}), data),
        fingerprint(tiny_config, data_digest(b, a)),
        fingerprint(tiny_config, data_digest(dataclasses.replace(a, classes=("x", "x")), b)),
    ]
    assert first not in others


@pytest.mark.parametrize("which", range(4))
def test_a_digest_tells_an_exchanged_recording(tmp_path: Path, which: int) -> None:
    """Any one of several words of half a second, replaced by another of the same length under the same name."""
    pitches = [200.0, 300.0, 400.0, 500.0]
    words = tones(tmp_path, *pitches)
    before = data_digest(words, words)
    pitches[which] = 350.0
    assert data_digest(tones(tmp_path, *pitches), words) != before


def lists(tiny_split: Path, out: Path) -> Path:
    """The same split without classes."""
    parts = audios_bin.read(tiny_split)
    assert parts.valid is not None
    audios_bin.write(out, Splits(*(Recordings(p.paths) for p in (parts.train, parts.valid, parts.test))))
    return out


@pytest.mark.parametrize("recipe", ["staged", "published"])
@pytest.mark.parametrize("kind", ["dict", "list"])
def test_both_recipes_train_on_both_kinds_of_data(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, recipe: str, kind: str
) -> None:
    data = tiny_split if kind == "dict" else lists(tiny_split, tmp_path / "audios.bin")
    config = changed(tiny_config, train={"recipe": recipe, "steps_per_epoch": 4})
    progress = fit(data, tmp_path / "model", config)
    assert progress.finished
    assert progress.epoch == 3
    assert progress.step == 12
    last = progress.history[-1]
    assert ("sequence" in last) == (recipe == "staged")
    assert ("valid_mrr" in last) == (kind == "dict")
    moved = weights(tmp_path / "model")
    assert not torch.equal(moved["last"]["model.codebook"], moved["untrained"]["model.codebook"])
    assert ("model.score.w" in moved["best"]) == (recipe == "published")


def test_the_published_loss_falls(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    config = changed(tiny_config, train={"recipe": "published", "epochs": 5, "patience": 9})
    history = fit(tiny_split, tmp_path, config).history
    assert history[-1]["loss"] < history[0]["loss"]


def test_one_pass_over_the_recordings_is_an_epoch_without_a_number_of_steps(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    progress = fit(tiny_split, tmp_path, changed(tiny_config, train={"steps_per_epoch": None, "epochs": 2}))
    n = len(audios_bin.read(tiny_split).train)
    assert progress.step == 2 * -(-n // 8)


def test_training_ends_after_patience_epochs_without_a_better_score(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    config = changed(tiny_config, train={"recipe": "published", "epochs": 40, "patience": 2, "steps_per_epoch": 1})
    made = trainer(tiny_split, config, tmp_path)
    made.progress.best = 2.0  # better than any score can be
    progress = made.run(SilentRecorder())
    assert progress.finished
    assert progress.epoch == 2


def test_patience_counts_within_a_stage(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    """Epochs of the first stage that brought nothing do not use up the patience of the second."""
    config = changed(
        tiny_config,
        train={"epochs": 8, "patience": 2, "steps_per_epoch": 2, "autosave_epoch": 9},
        recipe={"contrast_share": 0.5},
    )
    made = trainer(tiny_split, config, tmp_path)
    made.progress.best = 2.0
    assert made.run(SilentRecorder()).epoch == 4 + 2


def test_contrast_needs_two_classes(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    parts = audios_bin.read(tiny_split)
    assert parts.valid is not None
    one = [
        p.take(i for i, c in enumerate(p.classes or ()) if c == "arch") for p in (parts.train, parts.valid, parts.test)
    ]
    audios_bin.write(tmp_path / "audios.bin", Splits(*one))
    with pytest.raises(UserError, match="only one class"):
        fit(tmp_path / "audios.bin", tmp_path / "model", tiny_config)


@pytest.mark.parametrize("recipe", ["staged", "published"])
def test_a_loss_that_is_not_finite_ends_training_with_a_sentence(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, recipe: str
) -> None:
    made = trainer(tiny_split, changed(tiny_config, train={"recipe": recipe}), tmp_path)
    with torch.no_grad():
        made.model.encoder.projection.bias[0] = torch.nan  # as a diverged step leaves it
    with pytest.raises(UserError, match=r"not finite.*learning_rate"):
        made.run(SilentRecorder())
    assert not (tmp_path / "last.safetensors").exists()


class Keeping:
    """A recorder that stores what it receives."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Mapping[str, float]]] = []

    def metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        self.rows += rows


def test_the_recorder_hears_of_every_step_and_every_epoch(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    keeping = Keeping()
    progress = train(TrainRun(tiny_split, tmp_path, None, tiny_config, "cpu", False), keeping)
    steps = [step for step, row in keeping.rows if "step/loss" in row]
    assert steps == list(range(1, progress.step + 1))
    epochs = [(step, row["valid/score"]) for step, row in keeping.rows if "valid/score" in row]
    assert epochs == [(8 * row["epoch"], row["valid_score"]) for row in progress.history]


def test_schedule_rises_over_the_warm_up_and_falls_to_0() -> None:
    rates = [schedule(step, 100, 0.08) for step in range(101)]
    assert rates[:8] == pytest.approx([(i + 1) / 8 for i in range(8)])
    assert rates[8:] == pytest.approx([(100 - i) / 92 for i in range(8, 101)])
    assert schedule(0, 1, 0.08) == 1
    assert schedule(5, 3, 0.0) == 0


@pytest.mark.parametrize("recipe", ["staged", "published"])
def test_recordings_longer_than_a_clip_are_trained_on(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    config = changed(clipped(tiny_config), train={"recipe": recipe})
    lengths: list[int] = []
    step = Trainer.step

    def counted(self: Trainer, batch: LoadedBatch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        lengths.append(batch.spectrum.shape[1])
        return step(self, batch, generator)

    monkeypatch.setattr(Trainer, "step", counted)
    progress = fit(tiny_split, tmp_path, config)
    assert progress.finished
    assert lengths == [config.clip_frames] * 8
    assert all(np.isfinite(row["loss"]) for row in progress.history)


def test_validation_hears_no_more_recordings_than_told(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    parts = audios_bin.read(tiny_split)
    assert parts.valid is not None
    assert len(parts.valid) > 5
    config = changed(tiny_config, train={"validate_recordings": 5, "epochs": 1, "steps_per_epoch": 1})
    made = trainer(tiny_split, config, tmp_path)
    assert len(made.valid) == len(made.valid_store) == len(made.changed) == 5
    assert set(made.valid.paths) < set(parts.valid.paths)
    assert made.valid_store.frames.tolist() == [len(decode.read(p, 8000)) // 128 + 1 for p in made.valid.paths]
    progress = made.run(SilentRecorder())
    assert np.isfinite(progress.history[0]["valid_score"])
    everything = trainer(tiny_split, changed(config, train={"validate_recordings": 1000}), tmp_path)
    assert everything.valid == parts.valid
