"""The profile of a model: what it makes of recordings of its own corpus.

It is a file beside the exported graph and goes with it into the registry, so that `wav2tok.evaluation.drift` always
compares new recordings with those that the model in use was made with. It holds token strings and levels, no sound.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from wav2tok.audio import decode
from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.corpus.manifest import above_noise
from wav2tok.corpus.splits import sample_subset
from wav2tok.errors import UserError
from wav2tok.files import read_json, write_json
from wav2tok.progress import log
from wav2tok.tokenizer.batch import Failure, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer

PROFILE_FILE = "profile.json"
"""Beside an exported graph: the `Profile` of the model."""
FLOOR = 1e-20
"""Power of digital silence: -200 dBFS."""


@dataclass(frozen=True)
class Traits:
    """What a model made of one recording.

    Attributes:
        group: whose it is: a speaker, singer or source recording.
        tokens: the string without repeats.
        seconds: its length.
        level_dbfs: its mean power, relative to full scale.
        snr_db: how far the loudest twentieth of its frames of 20 ms is above the quietest.
    """

    group: str
    tokens: tuple[int, ...]
    seconds: float
    level_dbfs: float
    snr_db: float

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second, without repeats."""
        return len(self.tokens) / self.seconds


@dataclass(frozen=True)
class Profile:
    """The traits of recordings, by the model of which identity, and the size of its codebook."""

    identity: str
    num_tokens: int
    recordings: tuple[Traits, ...]


def of_corpus(data: Path, graph: Path, config: Config) -> Profile:
    """The profile of a graph by the recordings of a split, all parts of it.

    Args:
        data: an ``audios.bin``.
        graph: the ONNX file.

    Raises:
        UserError: the split cannot be read.
    """
    splits = audios_bin.read(data)
    recordings = splits.train + splits.test if splits.valid is None else splits.train + splits.valid + splits.test
    some = sample_subset(recordings, config.drift.recordings, config.seed)
    tokenizer = Tokenizer(graph, device="cpu")
    return Profile(tokenizer.identity, tokenizer.num_tokens, tuple(describe(some.paths, some.groups, tokenizer)))


def describe(paths: Sequence[str], groups: Sequence[str], tokenizer: Tokenizer) -> list[Traits]:
    """The traits of recordings, in order; one that cannot be read is left out with a warning."""
    found = []
    for group, result in zip(groups, tokenize_files(paths, tokenizer), strict=True):
        if isinstance(result, Failure):
            log.warning(f"{result.error} It is left out.")
            continue
        level, snr = loudness(decode.blocks(result.path, tokenizer.sample_rate), tokenizer.sample_rate // 50)
        found.append(Traits(group, tuple(result.tokens.tolist()), result.seconds, round(level, 3), round(snr, 3)))
    return found


def loudness(blocks: Iterable[np.ndarray], frame: int) -> tuple[float, float]:
    """The mean power of a recording in dBFS, and how far its loudest twentieth is above its quietest, in dB.

    Args:
        blocks: float32 [n] each; at least one sample in all.
        frame: samples of a frame; the last samples, too few for one, count only in a recording without a whole frame.
    """
    power: list[np.ndarray] = []
    rest = np.empty(0, dtype=np.float64)
    for block in blocks:
        squares = np.concatenate([rest, np.square(block, dtype=np.float64)])
        whole = len(squares) // frame * frame
        power.append(squares[:whole].reshape(-1, frame).mean(axis=1))
        rest = squares[whole:]
    powers = np.concatenate(power) if any(map(len, power)) else rest.mean(keepdims=True)
    return 10 * math.log10(powers.mean() + FLOOR), above_noise(powers, FLOOR)


def write(profile: Profile, path: Path) -> None:
    """Write a profile as JSON."""
    write_json(path, asdict(profile))


def read(path: Path) -> Profile:
    """Read what `write` wrote.

    Raises:
        UserError: the file is missing, or is no profile.
    """
    values = read_json(path)
    try:
        names = [field.name for field in fields(Traits)]
        recordings = tuple(
            Traits(str(one["group"]), tuple(map(int, one["tokens"])), *(float(one[name]) for name in names[2:]))
            for one in values["recordings"]
        )
        profile = Profile(str(values["identity"]), int(values["num_tokens"]), recordings)
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{path} is not a profile that wav2tok export wrote; export the model again.", "model"
        ) from None
    for one in recordings:
        known = one.tokens and 0 <= min(one.tokens) <= max(one.tokens) < profile.num_tokens
        if not known or one.seconds <= 0 or not all(map(math.isfinite, (one.seconds, one.level_dbfs, one.snr_db))):
            raise UserError(f"{path} has values that cannot be right; export the model again.", "model")
    return profile
