"""The profile of a model: what it makes of recordings of its own corpus.

It is a file beside the exported graph and goes with it into the registry, so that `wav2tok.evaluation.drift` always
compares new recordings with those that the model in use was made with. It holds token strings, levels and distances to
codewords, no sound.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

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
DISTANCE_BIN, DISTANCE_BINS = 0.05, 40
"""Distances of unit vectors are from 0 to 2."""
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
        distances: how many of its steps are how far from their nearest codeword, in bins of `DISTANCE_BIN` from 0 to 2;
            empty in a profile of an earlier release, and for a graph of one that does not say it.
    """

    group: str
    tokens: tuple[int, ...]
    seconds: float
    level_dbfs: float
    snr_db: float
    distances: tuple[int, ...] = ()

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
    found, encoder = [], _Measuring(tokenizer)
    for group, result in zip(groups, tokenize_files(paths, encoder), strict=True):
        if isinstance(result, Failure):
            log.warning(f"{result.error} It is left out.")
            continue
        level, snr = loudness(decode.blocks(result.path, tokenizer.sample_rate), tokenizer.sample_rate // 50)
        distances = encoder.distances.popleft()
        tokens = tuple(result.tokens.tolist())
        found.append(Traits(group, tokens, result.seconds, round(level, 3), round(snr, 3), distances))
    return found


class _Measuring:
    """A tokenizer that also counts how far the steps of what it encodes are from their nearest codewords.

    Attributes:
        distances: of each recording that was encoded, in order.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.sample_rate, self.samples_at_once = tokenizer.sample_rate, tokenizer.samples_at_once
        self.distances: deque[tuple[int, ...]] = deque()

    def encode_frames(self, waveforms: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        found = self._tokenizer.encode_with_similarities(waveforms)
        if found is None:
            self.distances.extend([()] * len(waveforms))
            return self._tokenizer.encode_frames(waveforms, sample_rate)
        self.distances.extend(distance_counts(cosines) for _, cosines in found)
        return [tokens for tokens, _ in found]

    def encode_blocks(self, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray:
        tokens, cosines = self._tokenizer.encode_blocks(blocks), self._tokenizer.similarities_of_blocks(blocks)
        self.distances.append(() if cosines is None else distance_counts(cosines))
        return tokens


def distance_counts(cosines: np.ndarray) -> tuple[int, ...]:
    """How many unit vectors are how far from others, in bins of `DISTANCE_BIN` from 0 to 2.

    Args:
        cosines: of the vectors and the others, [T]; the distance is the square root of 2 - 2 cos.
    """
    distances = np.sqrt(np.clip(2 - 2 * cosines.astype(np.float64), 0, 4))
    bins = np.minimum(distances // DISTANCE_BIN, DISTANCE_BINS - 1).astype(np.int64)
    return tuple(np.bincount(bins, minlength=DISTANCE_BINS).tolist())


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
        UserError: the file is missing, or is not a profile.
    """
    values = read_json(path, Profile)
    profile = Profile(values["identity"], values["num_tokens"], tuple(map(_traits, values["recordings"])))
    for one in profile.recordings:
        known = one.tokens and 0 <= min(one.tokens) <= max(one.tokens) < profile.num_tokens
        known = known and len(one.distances) in (0, DISTANCE_BINS) and min(one.distances, default=0) >= 0
        if not known or one.seconds <= 0 or not all(map(math.isfinite, (one.seconds, one.level_dbfs, one.snr_db))):
            raise UserError(f"{path} has values that cannot be right; export the model again.", "model")
    return profile


def _traits(values: Mapping[str, Any]) -> Traits:
    """The traits of a recording in a file; an earlier release wrote no distances."""
    known = {field.name: values[field.name] for field in fields(Traits) if field.name in values}
    return Traits(**known | {name: tuple(known.get(name, ())) for name in ("tokens", "distances")})
