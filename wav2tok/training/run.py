"""Training from an ``audios.bin`` to a model folder: what ``wav2tok cluster`` and ``wav2tok train`` do."""

import copy
import dataclasses
import re
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import torch

from wav2tok import heap
from wav2tok.config import Config
from wav2tok.corpus import splits
from wav2tok.corpus.splits import Splits
from wav2tok.device import choose, describe
from wav2tok.errors import UserError
from wav2tok.export import write_onnx
from wav2tok.model import Wav2Tok, create
from wav2tok.training import checkpoint
from wav2tok.training.loop import Progress, Trainer
from wav2tok.training.pairs import PairSampler
from wav2tok.training.recorder import Recorder, SilentRecorder
from wav2tok.training.steps import expectation
from wav2tok.training.store import SpectrumStore, build
from wav2tok.training.validation import some_of

Say = Callable[[str], None]
UNTRAINED = "untrained"


REHEARSED = 32
"""Recordings that a training with ``train.debug`` hears, of each part."""


def read_splits(data: Path, config: Config) -> Splits:
    """The split in ``data``, its validation part cut from the training part if it has none.

    With ``train.debug`` a few recordings of each.
    """
    parts = splits.with_validation(splits.read(data), config.split.valid_share, config.seed)
    if not config.train.debug or parts.valid is None:
        return parts
    train, valid = (some_of(part, REHEARSED, config.seed) for part in (parts.train, parts.valid))
    return splits.Splits(train, valid, parts.test)


def rehearsal(config: Config) -> Config:
    """``config`` with two epochs of two steps, where ``train.debug`` asks for it."""
    train = config.train
    if not train.debug:
        return config
    steps = min(2, train.steps_per_epoch or 2)
    return dataclasses.replace(
        config, train=dataclasses.replace(train, epochs=min(2, train.epochs), steps_per_epoch=steps)
    )


def cluster(data: Path, out: Path, config: Config, device: str, say: Say) -> None:
    """Write the untrained encoder with its first codebook to the folder ``out``."""
    chosen = choose(device)
    train = read_splits(data, config).train
    say(describe(chosen))
    model = create(config).to(chosen)
    store = build(train.paths, model.front_end, out, chosen)
    similarity = first_codebook(model, store, PairSampler.of(train, config.train.mode), config)
    checkpoint.write_config(out, config)
    checkpoint.save(out / f"{UNTRAINED}.safetensors", model, config, {"similarity": similarity})
    say(f"{config.codebook.num_tokens} tokens from {len(train)} recordings, mean cosine {similarity:.3f}; {out}")


def first_codebook(model: Wav2Tok, store: SpectrumStore, sampler: PairSampler, config: Config) -> float:
    """The E-step before the first epoch, over what that epoch hears; returns the mean cosine."""
    among = torch.from_numpy(sampler.subset(config.train.subset_share, config.seed, 0).numbers)
    return expectation(model, store, config, (config.seed, 0), warm=False, among=among)


def _start(codebook: Path, config: Config) -> Wav2Tok:
    """The model that `cluster` wrote, if it is of the shape that ``config`` asks for."""
    model, theirs, _ = checkpoint.load(codebook, UNTRAINED)
    within = ("train.clip_seconds", "train.subset_share", "train.debug")
    for part in ("seed", "data.sample_rate", "features", "encoder", "codebook", *within):
        if attrgetter(part)(theirs) != attrgetter(part)(config):
            raise UserError(f"{codebook} was made with other parameters ({part}); run wav2tok cluster again.")
    if (model.score is None) != config.recipe.use_cosine:
        raise UserError(f"{codebook} was made with another use_cosine; run wav2tok cluster again.")
    return model


def prepare(
    data: Path, out: Path, codebook: Path | None, config: Config, device: str, fresh: bool, say: Say
) -> Trainer:
    """A training about to go on in the folder ``out``: an unfinished one of the same parameters and data, or a new one.

    With ``train.start_epoch`` the training goes on from the checkpoint of that epoch, whatever came after it.

    Args:
        codebook: a folder that `cluster` wrote; None clusters first.
        fresh: do not take up an unfinished training.
    """
    config, start = rehearsal(config), config.train.start_epoch
    if fresh and start:
        raise UserError(f"train.start_epoch is {start} and --fresh begins anew; leave one of them out.")
    chosen = choose(device)
    parts = read_splits(data, config)
    assert parts.valid is not None
    if out.is_file():
        raise UserError(f"{out} is a file; name a folder.")
    say(describe(chosen))
    heap.keep()
    source = _source(config, out)
    model = create(config) if codebook is None else _start(codebook, config)
    trainer = Trainer(model, config, parts.train, parts.valid, out, chosen, say)
    if start:
        trainer.go_back(start)
    if start or (not fresh and trainer.resume()):
        say(f"going on after epoch {trainer.progress.epoch} in {out}")
        return trainer
    if codebook is None:
        first_codebook(trainer.model, trainer.store, trainer.sampler, config)
    untrained = copy.deepcopy(trainer.model)
    if source is not None:
        checkpoint.load_weights(trainer.model, config, source)
        say(f"beginning with the weights of {source}")
    # Only now, when nothing can be refused any more; weights of other names stay.
    named = (path for path in out.glob("*.safetensors") if re.fullmatch(_weights(config.train.name), path.stem))
    for stale in (*named, *out.glob("*.onnx"), out / "history.json"):
        stale.unlink(missing_ok=True)
    checkpoint.write_config(out, config)
    checkpoint.save(out / f"{UNTRAINED}.safetensors", untrained, config, {})
    return trainer


def _source(config: Config, out: Path) -> Path | None:
    """The checkpoint of ``train.init_from``, if it can be begun with."""
    if config.train.init_from is None:
        return None
    source = checkpoint.find(config.train.init_from, out)
    checkpoint.require_same_shape(config, source)
    if source.parent.resolve() == out.resolve() and re.fullmatch(_weights(config.train.name), source.stem):
        raise UserError(
            f"train.init_from is {config.train.init_from!r}, and this training would write over {source}; give it "
            "another train.name or --out."
        )
    return source


def _weights(name: str) -> str:
    """What the weights of a training NAME are called, as a regular expression over stems."""
    return rf"last|{UNTRAINED}|{re.escape(name)}_(best|\d+)"


def complete(trainer: Trainer, recorder: Recorder) -> Progress:
    """Train to the end and write the best model's graph into the folder (`wav2tok.training.checkpoint`)."""
    out, config = trainer.out, trainer.config
    progress = trainer.run(recorder)
    best, _, info = checkpoint.load(out)
    parity = write_onnx(best, config, out / "tokenizer.onnx", {"epoch": info["best_epoch"], "score": info["best"]})
    trainer.say(
        f"best epoch {progress.best_epoch}, validation score {progress.best:.3f}; {out / 'tokenizer.onnx'} agrees with "
        f"torch on {parity.frames - parity.differing} of {parity.frames} frames"
    )
    return progress


def train(
    data: Path,
    out: Path,
    codebook: Path | None,
    config: Config,
    device: str,
    fresh: bool,
    say: Say,
    recorder: Recorder | None = None,
) -> Progress:
    """`prepare` and `complete`."""
    return complete(prepare(data, out, codebook, config, device, fresh, say), recorder or SilentRecorder())
