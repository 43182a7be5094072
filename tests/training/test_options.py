"""What an option of training governs is seen to change as it says: in real trainings on the tiny corpus."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import changed
from tests.training.trainings import fit
from wav2tok.audio import decode
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings, Splits
from wav2tok.errors import UserError
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.spectra.store import Segments, SpectrumStore
from wav2tok.training import loop
from wav2tok.training.loop import Trainer
from wav2tok.training.objective import Triplets, Views
from wav2tok.training.prepare import TrainRun, prepare
from wav2tok.training.recorder import SilentRecorder


@pytest.fixture
def made(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> Callable[..., Trainer]:
    """A training about to begin, with keys of its sections changed."""

    def make(**parts: Any) -> Trainer:
        return prepare(TrainRun(tiny_split, tmp_path / "model", None, changed(tiny_config, **parts), "cpu", True))

    return make


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> list[Views]:
    """The views that every step's objective is given."""
    seen: list[Views] = []
    real = loop.objective

    def spying(model: Wav2Tok, given: Views, *args: Any, **more: Any) -> Any:
        seen.append(given)
        return real(model, given, *args, **more)

    monkeypatch.setattr(loop, "objective", spying)
    return seen


@pytest.fixture
def e_steps(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The step, warmth and recordings of every E-step."""
    seen: list[dict[str, Any]] = []
    real = loop.e_step

    def spying(model: Wav2Tok, store: SpectrumStore, config: Config, step: int, **more: Any) -> float:
        seen.append({"step": step, **more})
        return real(model, store, config, step, **more)

    monkeypatch.setattr(loop, "e_step", spying)
    return seen


def test_mode(made: Callable[..., Trainer], views: list[Views]) -> None:
    for mode, kind in (("pairs", Views), ("singles", Views), ("triplets", Triplets)):
        trainer = made(train={"mode": mode})
        pairs = trainer.sampler.epoch(0, 0, 8, 1)[0]
        assert torch.equal(pairs.anchors, pairs.partners) == (mode == "singles")
        trainer.epoch(SilentRecorder())
        assert type(views[-1]) is kind


def test_the_negative_enters_the_loss(made: Callable[..., Trainer]) -> None:
    """A step from the same state with the negatives of a batch exchanged among its triplets moves other weights."""
    after = []
    for shuffled in (False, True):
        trainer = made(train={"mode": "triplets"}, augment={"share": 0.0}, encoder={"dropout": 0.0})
        pairs = trainer.sampler.epoch(0, 0, 8, 1)[0]
        if shuffled:
            pairs = pairs._replace(negatives=pairs.negatives.roll(1))
        parts = trainer.step(trainer.batches.load(pairs), torch.Generator().manual_seed(0))
        after.append((float(parts["triplet"]), trainer.model.encoder.projection.weight.clone()))
    assert after[0][0] != after[1][0]
    assert not torch.equal(after[0][1], after[1][1])


def test_same_length(made: Callable[..., Trainer], views: list[Views]) -> None:
    for same in (False, True):
        made(train={"same_length": same, "mode": "triplets"}).epoch(SilentRecorder())
        given = views[-1]
        assert isinstance(given, Triplets)
        equal = torch.equal(given.a_frames, given.b_frames) and torch.equal(given.a_frames, given.negative_frames)
        assert equal == same
        assert len(set(given.a_frames.tolist())) > 1  # of a triplet, not of the batch


def test_augment_share_and_views(made: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whom tempo, pitch and noise are changed: nobody, the partners, everybody."""
    for keys, expected in (
        ({"share": 0.0}, (False, False)),
        ({"share": 1.0, "views": "partner"}, (False, True)),
        ({"share": 1.0, "views": "both"}, (True, True)),
    ):
        trainer = made(augment=keys)
        batch = trainer.batches.load(trainer.sampler.epoch(0, 0, 4, 1)[0])
        heard: list[torch.Tensor] = []
        real = Wav2Tok.embed

        def spying(
            self: Wav2Tok,
            x: torch.Tensor,
            n: torch.Tensor,
            precision: str | None = None,
            heard: list[torch.Tensor] = heard,
            real: Any = real,
        ) -> torch.Tensor:
            heard.append(x)
            return real(self, x, n, precision)

        with monkeypatch.context() as patch:
            patch.setattr(Wav2Tok, "embed", spying)
            trainer.step(batch, torch.Generator().manual_seed(0))
        most = min(batch.spectrum.shape[1], heard[0].shape[1])
        same = [
            torch.allclose(a[: min(n, most)], b[: min(n, most)], atol=1e-5)
            for a, b, n in zip(batch.spectrum, heard[0], batch.frames.tolist(), strict=True)
        ]
        assert [not all(same[:4]), not all(same[4:])] == list(expected)
        assert all(same[:4]) or not any(same[:4])


def test_batch_size_and_epochs(tiny_split: Path, tiny_config: Config, tmp_path: Path, views: list[Views]) -> None:
    config = changed(tiny_config, recipe={"batch_size": 3}, train={"epochs": 2, "steps_per_epoch": 5})
    assert fit(tiny_split, tmp_path, config).epoch == 2
    assert [len(v.labels) for v in views] == [3] * 10


@pytest.mark.slow
def test_learning_rate_and_schedule(made: Callable[..., Trainer]) -> None:
    """24 steps in all: up over the first quarter; then down to 0 or level, over as many steps as are told."""
    base = {"learning_rate": 8e-3, "warmup": 0.25}
    rates = {
        name: [made(recipe=base | keys).learning_rate(step) for step in range(24)]
        for name, keys in (
            ("linear", {}),
            ("constant", {"schedule": "constant"}),
            ("short", {"schedule_steps": 12}),
            ("cold", {"warmup": 0.0}),
            ("half", {"learning_rate": 4e-3}),
        )
    }
    assert rates["linear"] == pytest.approx([8e-3 * min((s + 1) / 6, (24 - s) / 18) for s in range(24)])
    assert rates["constant"] == pytest.approx([8e-3 * min((s + 1) / 6, 1) for s in range(24)])
    assert rates["short"] == pytest.approx([8e-3 * max(0, min((s + 1) / 3, (12 - s) / 9)) for s in range(24)])
    assert rates["cold"][0] == 8e-3
    assert rates["half"] == pytest.approx([r / 2 for r in rates["linear"]])


def test_the_optimiser_takes_the_learning_rate_of_its_step(made: Callable[..., Trainer]) -> None:
    trainer = made(recipe={"schedule": "constant", "warmup": 0.0, "learning_rate": 7e-4})
    trainer.epoch(SilentRecorder())
    assert trainer.optimizer.param_groups[0]["lr"] == 7e-4


def test_iter_clust(made: Callable[..., Trainer], e_steps: list[dict[str, Any]]) -> None:
    """With contrast off, E-steps at regular steps; the one before the first step is `prepare`'s."""
    for every, expected in ((3, [3, 6]), (5, [5])):
        e_steps.clear()
        made(train={"recipe": "published"}, recipe={}, recipes={"published": {"iter_clust": every}}).epoch(
            SilentRecorder()
        )
        assert [call["step"] for call in e_steps] == expected


def test_subset_share(
    made: Callable[..., Trainer], e_steps: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subset of the recordings is all that an epoch reads, E-steps included; the next epoch has another."""
    trainer = made(train={"subset_share": 0.5})
    read: set[int] = set()
    real = SpectrumStore.batch

    def spying(self: SpectrumStore, tiles: Segments, **more: Any) -> Any:
        if self is trainer.store:
            read.update(tiles.recording.tolist())
        return real(self, tiles, **more)

    monkeypatch.setattr(SpectrumStore, "batch", spying)
    heard = []
    for _ in range(3):  # two epochs of contrast, one of EM
        read.clear()
        e_steps.clear()
        trainer.epoch(SilentRecorder())
        assert len(read) == round(0.5 * len(trainer.store))
        assert e_steps
        assert all(set(call["among"].tolist()) == read for call in e_steps)
        heard.append(frozenset(read))
    assert len(set(heard)) == 3
    assert frozenset.union(*heard) > heard[0]


def test_cluster_split_is_of_the_subset(made: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = made(train={"subset_share": 0.5}, codebook={"cluster_split": 0.5})
    read: list[int] = []
    real = SpectrumStore.batch

    def spying(self: SpectrumStore, tiles: Segments, **more: Any) -> Any:
        read.extend(tiles.recording.tolist())
        return real(self, tiles, **more)

    among = torch.from_numpy(trainer.sampler.subset(0.5, 0, 0).numbers)
    monkeypatch.setattr(SpectrumStore, "batch", spying)
    loop.e_step(trainer.model, trainer.store, trainer.config, 0, warm=False, among=among)
    assert len(read) == round(0.5 * len(among))
    assert set(read) <= set(among.tolist())


def test_num_tokens_and_sample_rate(made: Callable[..., Trainer]) -> None:
    few, many = made(codebook={"num_tokens": 5}), made(codebook={"num_tokens": 11})
    assert (len(few.model.codebook), len(many.model.codebook)) == (5, 11)
    half = made(data={"sample_rate": 4000})
    assert torch.allclose(half.store.frames.double(), few.store.frames.double() / 2, atol=1.5)


def test_name(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    fit(tiny_split, tmp_path, changed(tiny_config, train={"name": "TrialTok", "autosave_epoch": 2}))
    assert {p.stem for p in tmp_path.glob("*_*.safetensors")} == {"TrialTok_2", "TrialTok_best"}


def test_debug(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    """Two epochs of two steps of at most 32 recordings, through to the exported tokenizer."""
    parts = audios_bin.read(tiny_split)
    assert parts.train.classes is not None
    assert parts.valid is not None
    # The same recordings under other names, so that there are enough of them.
    paths = []
    for copy in range(5):
        for i, path in enumerate(parts.train.paths):
            paths.append(str(tmp_path / f"{copy}_{i}.flac"))
            decode.write(Path(paths[-1]), decode.read(path, 8000), 8000)
    many = Recordings(tuple(paths), parts.train.classes * 5)
    assert len(many) > 32
    audios_bin.write(tmp_path / "audios.bin", Splits(many, parts.valid, parts.test))
    config = changed(tiny_config, train={"debug": True, "epochs": 9, "steps_per_epoch": 50})
    trainer = prepare(TrainRun(tmp_path / "audios.bin", tmp_path / "model", None, config, "cpu", True))
    assert len(trainer.store) == 32
    progress = fit(tmp_path / "audios.bin", tmp_path / "model", config, fresh=True)
    assert (progress.epoch, progress.step) == (2, 4)
    assert (tmp_path / "model" / "tokenizer.onnx").exists()


def test_contradictions(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    """Triplets of a list or of one class, and widths that the features do not have, end before anything is written."""
    parts = audios_bin.read(tiny_split)
    assert parts.valid is not None
    both = parts.train, parts.valid, parts.test
    audios_bin.write(tmp_path / "list.bin", Splits(*(Recordings(p.paths) for p in both)))
    one = [dataclasses.replace(p, classes=("same",) * len(p)) for p in both]
    audios_bin.write(tmp_path / "one.bin", Splits(*one))
    for data, train, encoder, said in (
        (tmp_path / "list.bin", {"mode": "triplets"}, {}, "triplets, but the data is a list"),
        (tmp_path / "one.bin", {"mode": "triplets", "recipe": "published"}, {}, "all recordings are of one class"),
        (tiny_split, {}, {"input_dim": 39}, r"encoder.input_dim is 39, but mfcc features .* 24 numbers"),
    ):
        with pytest.raises(UserError, match=said):
            fit(data, tmp_path / "model", changed(tiny_config, train=train, encoder=encoder))
    assert not (tmp_path / "model" / "config.json").exists()
