"""From the inputs of a training to a `Trainer` that is ready to run."""

import copy
import dataclasses
from operator import attrgetter
from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus import heard
from wav2tok.corpus.among import warn_among
from wav2tok.corpus.splits import read_splits
from wav2tok.device import choose, describe, keep_freed_memory
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.model.folder import UNTRAINED, ModelFolder
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.progress import log
from wav2tok.ranks import Ranks
from wav2tok.tokenizer.format import GRAPH_NAMES
from wav2tok.training.denoising import denoise
from wav2tok.training.first_codebook import first_codebook
from wav2tok.training.loop import Trainer
from wav2tok.training.progress import Progress, differences
from wav2tok.training.recorder import SilentRecorder
from wav2tok.training.replacement import NEXT, place_of, settle
from wav2tok.training.whitening import whiten
from wav2tok.writable import require_own


@dataclasses.dataclass(frozen=True)
class TrainRun:
    """The inputs of a training.

    Attributes:
        data: an ``audios.bin``.
        out: the model folder (`wav2tok.model.folder`). A training in it is resumed if it has the same parameters and
            data, or only fewer epochs.
        codebook: a folder that ``wav2tok cluster`` wrote; None clusters first.
        config: with ``train.start_epoch`` the training resumes from the checkpoint of that epoch; later ones are
            deleted.
        device: ``auto``, ``cpu`` or ``cuda``.
        fresh: start over instead of resuming.
        replace: start over where the training in ``out`` is finished or differs; only an interrupted one is resumed.
    """

    data: Path
    out: Path
    codebook: Path | None
    config: Config
    device: str
    fresh: bool
    replace: bool = False


def debug_run(config: Config) -> Config:
    """``config`` with at most two epochs of two steps if ``train.debug`` is set."""
    train = config.train
    if not train.debug:
        return config
    steps = min(2, train.steps_per_epoch or 2)
    return dataclasses.replace(
        config, train=dataclasses.replace(train, epochs=min(2, train.epochs), steps_per_epoch=steps)
    )


def _clustered(codebook: Path, config: Config) -> Wav2Tok:
    """The model that ``wav2tok cluster`` wrote, if it was made with the same parameters."""
    model, stored, _ = checkpoint.load(codebook, UNTRAINED)
    train = ("train.clip_seconds", "train.subset_share", "train.unheard_validation", "train.debug")
    for part in ("seed", "data.sample_rate", "features", "encoder", "codebook", *train):
        if attrgetter(part)(stored) != attrgetter(part)(config):
            raise UserError(f"{codebook} was made with other parameters ({part}); run wav2tok cluster again.")
    if (model.score is None) != config.recipe.use_cosine:
        raise UserError(f"{codebook} was made with another use_cosine; run wav2tok cluster again.")
    return model


def prepare(run: TrainRun) -> Trainer:
    """The trainer of ``run``, new or resumed.

    Raises:
        UserError: the inputs contradict each other, or a file cannot be used. The folder is unchanged then.

    A training that starts over beside a finished model runs in a folder within ``run.out``; the caller calls
    `wav2tok.training.replacement.settle` when it is whole.
    """
    config, out, start = debug_run(run.config), run.out, run.config.train.start_epoch
    if run.fresh and start:
        raise UserError(
            f"train.start_epoch is {start}, which resumes, and fresh is set, which starts over; use only one of them.",
            parameter="fresh",
        )
    if out.is_dir():
        settle(out, config.train.name)
    device = choose(run.device)
    splits = read_splits(run.data, config)
    recordings = splits.train + splits.valid
    warn_among(out, recordings)
    _require_model_folder(config, out)
    log.info(describe(device))
    keep_freed_memory()
    source = _initial_weights(config, out)
    model = create(config) if run.codebook is None else _clustered(run.codebook, config)
    trainer = Trainer(model, config, splits.train, splits.valid, out, device)
    if start:
        trainer.rewind(start)
    if start or (not run.fresh and _resumed(trainer, out, longer=not run.replace)):
        p, place = trainer.progress, trainer.out
        log.info(f"{'finished' if p.finished else 'resuming'} after {p} in {place}")
        heard.write(place, recordings, heard.known(place))
        checkpoint.write_config(place, config)
        return trainer
    if not (run.fresh or run.replace):
        _require_nothing_lost(config, out)
    if run.codebook is None:
        first_codebook(trainer.model, trainer.store, trainer.sampler, config)
    untrained = copy.deepcopy(trainer.model)
    if source is not None:
        checkpoint.load_weights(trainer.model, config, source)
        log.info(f"starting from the weights of {source}")
    else:
        if config.encoder.denoising:
            denoise(trainer.model, splits.train.paths, config)
            first_codebook(trainer.model, trainer.store, trainer.sampler, config)
            log.info("learned to hear clean frames in babble and rooms")
        if config.encoder.whitening:
            whiten(trainer)
            log.info("whitened the differences of aligned frames")
    # Only now, when the inputs are known to be good. A finished model stays until the new one is whole.
    before, place = _heard_before(config, out, source), place_of(out)
    trainer.write_to(place)
    for path in trainer.files.outdated_by(config.train.name):
        path.unlink(missing_ok=True)
    heard.write(place, recordings, before)
    checkpoint.write_config(place, config)
    checkpoint.save(trainer.files.untrained, untrained, config, {})
    return trainer


def follow(run: TrainRun, ranks: Ranks) -> Progress:
    """Take part in the training that the first rank has prepared and runs; nothing is written.

    Raises:
        UserError: an input cannot be used, or is another one than that of the first rank.
    """
    config, device = debug_run(run.config), choose(run.device)
    keep_freed_memory()
    splits = read_splits(run.data, config)
    trainer = Trainer(create(config), config, splits.train, splits.valid, run.out, device)
    trainer.join(ranks)
    return trainer.run(SilentRecorder())


def _resumed(trainer: Trainer, out: Path, *, longer: bool) -> bool:
    """Whether the training was resumed: first one that was to replace that in ``out``, then that itself."""
    for place in (out / NEXT, out):
        trainer.write_to(place)
        if trainer.resume(longer=longer):
            return True
    return False


def _require_model_folder(config: Config, out: Path) -> None:
    """Refuse a folder whose files this training would replace although no training wrote them."""
    folder = ModelFolder(out)
    names = [path.name for path in folder.outdated_by(config.train.name)]
    require_own(out, folder.config.name, (*names, folder.history.name, GRAPH_NAMES[0]))
    if folder.config.exists():
        checkpoint.read_config(out)


def _require_nothing_lost(config: Config, out: Path) -> None:
    """Refuse to start over where a training would be lost that has at least one epoch."""
    folder = ModelFolder(out)
    ways = "name another folder, resume from one of its epochs by train.start_epoch, or start over with fresh."
    if folder.last.exists():
        reasons = differences(folder.last, config) or ["its recordings are others"]
        more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        raise UserError(f"{out} holds another training ({', '.join(reasons[:3])}{more}); {ways}", "fresh")
    kept = sorted(path.name for path in folder.written_by(config.train.name) if path != folder.untrained)
    if kept:
        raise UserError(f"{out} holds {kept[0]} of a training without {folder.last.name}; {ways}", "fresh")


def _heard_before(config: Config, out: Path, source: Path | None) -> frozenset[str]:
    """What the initial weights have heard, and the weights of other trainings that ``out`` also holds."""
    folder = ModelFolder(out)
    others = {*folder.stored()} - {path.stem for path in folder.written_by(config.train.name)}
    return (heard.known(source.parent) if source else frozenset()) | (heard.known(out) if others else frozenset())


def _initial_weights(config: Config, out: Path) -> Path | None:
    """The checkpoint named by ``train.init_from``, checked for compatibility."""
    if config.train.init_from is None:
        return None
    source = checkpoint.find(config.train.init_from, out)
    checkpoint.require_same_shape(config, source)
    if ModelFolder(out).writes(config.train.name, source):
        raise UserError(
            f"train.init_from is {config.train.init_from!r}, and this training would overwrite {source}; use another "
            "train.name or another folder."
        )
    return source
