"""Training from an ``audios.bin`` to a model folder: what ``wav2tok cluster`` and ``wav2tok train`` do."""

from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

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
from wav2tok.training.recorder import Recorder, SilentRecorder
from wav2tok.training.steps import expectation
from wav2tok.training.store import build

Say = Callable[[str], None]
UNTRAINED = "untrained"


def read_splits(data: Path, config: Config) -> Splits:
    """The split in ``data``, its validation part cut from the training part if it has none."""
    return splits.with_validation(splits.read(data), config.split.valid_share, config.seed)


def cluster(data: Path, out: Path, config: Config, device: str, say: Say) -> None:
    """Write the untrained encoder with its first codebook to the folder ``out``."""
    chosen = choose(device)
    train = read_splits(data, config).train
    say(describe(chosen))
    model = create(config).to(chosen)
    store = build(train.paths, model.front_end, out, chosen)
    similarity = expectation(model, store, config, (config.seed, 0), warm=False)
    checkpoint.write_config(out, config)
    checkpoint.save(out / f"{UNTRAINED}.safetensors", model, {"similarity": similarity})
    say(f"{config.codebook.num_tokens} tokens from {len(train)} recordings, mean cosine {similarity:.3f}; {out}")


def _start(codebook: Path, config: Config) -> Wav2Tok:
    """The model that `cluster` wrote, if it is of the shape that ``config`` asks for."""
    model, theirs, _ = checkpoint.load(codebook, UNTRAINED)
    for part in ("seed", "data.sample_rate", "features", "encoder", "codebook"):
        if attrgetter(part)(theirs) != attrgetter(part)(config):
            raise UserError(f"{codebook} was made with other parameters ({part}); run wav2tok cluster again.")
    if (model.score is None) != config.recipe.use_cosine:
        raise UserError(f"{codebook} was made with another use_cosine; run wav2tok cluster again.")
    return model


def prepare(
    data: Path, out: Path, codebook: Path | None, config: Config, device: str, fresh: bool, say: Say
) -> Trainer:
    """A training about to go on in the folder ``out``: an unfinished one of the same parameters and data, or a new one.

    Args:
        codebook: a folder that `cluster` wrote; None clusters first.
        fresh: do not take up an unfinished training.
    """
    chosen = choose(device)
    parts = read_splits(data, config)
    assert parts.valid is not None
    if out.is_file():
        raise UserError(f"{out} is a file; name a folder.")
    say(describe(chosen))
    heap.keep()
    model = create(config) if codebook is None else _start(codebook, config)
    trainer = Trainer(model, config, parts.train, parts.valid, out, chosen, say)
    if not fresh and trainer.resume():
        say(f"going on after epoch {trainer.progress.epoch}, from {out / 'last.safetensors'}")
        return trainer
    for stale in (*out.glob("*.safetensors"), *out.glob("*.onnx"), out / "history.json"):
        stale.unlink(missing_ok=True)
    if codebook is None:
        expectation(trainer.model, trainer.store, config, (config.seed, 0), warm=False)
    checkpoint.write_config(out, config)
    checkpoint.save(out / f"{UNTRAINED}.safetensors", trainer.model, {})
    return trainer


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
