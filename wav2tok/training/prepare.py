"""Model, spectra and sampler of a training, made from an ``audios.bin`` and a `Config`."""

import copy
import dataclasses
import re
from operator import attrgetter
from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus.splits import read_splits
from wav2tok.device import choose, describe
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.model.checkpoint import UNTRAINED
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.progress import log
from wav2tok.training import allocator
from wav2tok.training.first_codebook import first_codebook
from wav2tok.training.loop import Trainer


def rehearsal(config: Config) -> Config:
    """``config`` with two epochs of two steps, where ``train.debug`` asks for it."""
    train = config.train
    if not train.debug:
        return config
    steps = min(2, train.steps_per_epoch or 2)
    return dataclasses.replace(
        config, train=dataclasses.replace(train, epochs=min(2, train.epochs), steps_per_epoch=steps)
    )


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


def prepare(data: Path, out: Path, codebook: Path | None, config: Config, device: str, fresh: bool) -> Trainer:
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
    log.info(describe(chosen))
    allocator.keep()
    source = _source(config, out)
    model = create(config) if codebook is None else _start(codebook, config)
    trainer = Trainer(model, config, parts.train, parts.valid, out, chosen)
    if start:
        trainer.go_back(start)
    if start or (not fresh and trainer.resume()):
        log.info(f"going on after epoch {trainer.progress.epoch} in {out}")
        return trainer
    if codebook is None:
        first_codebook(trainer.model, trainer.store, trainer.sampler, config)
    untrained = copy.deepcopy(trainer.model)
    if source is not None:
        checkpoint.load_weights(trainer.model, config, source)
        log.info(f"beginning with the weights of {source}")
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
