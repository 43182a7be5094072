"""From an ``audios.bin`` to the first codebook: what ``wav2tok cluster`` does."""

from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus.among import warn_among
from wav2tok.corpus.splits import read_splits
from wav2tok.device import choose, describe
from wav2tok.errors import UserError
from wav2tok.files import locked
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.model.wav2tok import create
from wav2tok.progress import counted, log
from wav2tok.spectra.store import build
from wav2tok.training.first_codebook import first_codebook
from wav2tok.training.pairs import PairSampler
from wav2tok.writable import require_own


def cluster(data: Path, out: Path, config: Config, device: str) -> None:
    """Write the untrained encoder with its first codebook into the model folder ``out``."""
    with locked(out):
        _cluster(data, out, config, device)


def _cluster(data: Path, out: Path, config: Config, device: str) -> None:
    folder = ModelFolder(out)
    require_own(out, folder.config.name, (folder.untrained.name,))
    if folder.last.exists() or folder.stored():
        raise UserError(
            f"{out} holds a training, and its configuration and first codebook would be replaced; name another folder.",
            "out",
        )
    used = choose(device)
    train = read_splits(data, config).train
    warn_among(out, train)
    log.info(describe(used))
    model = create(config).to(used)
    store = build(train.paths, model.front_end, out, used)
    similarity = first_codebook(model, store, PairSampler.of(train, config.train.mode), config)
    checkpoint.write_config(out, config)
    checkpoint.save(folder.untrained, model, config, {"similarity": similarity})
    log.info(
        f"{config.codebook.num_tokens} tokens from {counted(len(train), 'recording')}, mean cosine {similarity:.3f}; "
        f"{out}"
    )
