"""From audio to tokens with ONNX Runtime alone: no torch, no training code, quick to start."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from wav2tok.audio import decode
from wav2tok.audio.ahead import LONG_SAMPLES
from wav2tok.audio.windows import windows
from wav2tok.device import available_cpus, cuda_devices, pick
from wav2tok.errors import UserError, reason
from wav2tok.matching import deduplicate
from wav2tok.progress import log
from wav2tok.tokenizer.batch import Failure, tokenize_files
from wav2tok.tokenizer.format import METADATA_KEY, Metadata, identity
from wav2tok.tokenizer.graph import cut, greatest_similarity
from wav2tok.tokenizer.locate import located
from wav2tok.tokenizer.provider import CPU, CUDA, bucket, cuda_problem, run_bound
from wav2tok.untrusted import read_bytes

SAMPLES_AT_ONCE = 1 << 20
"""Padded samples in a batch on CUDA, before scaling, and of files that are decoded before they are encoded."""
LANE_SAMPLES = 1 << 18
"""Padded samples in a batch on the CPU, 16 s at 16 kHz: what larger ones compute no longer fits the cache.

Every core encodes batches of its own. Cores that share each batch wait for each other by spinning: on two cores that
took twice the CPU time per second of audio, for every kind of features.
"""
WINDOWS_AT_ONCE = 4
"""Windows of a long recording in a batch."""
CORE_FRAMES, MARGIN_FRAMES = 3072, 512
"""Feature frames of a window of a long recording, and of the context on either side: 49 s and 8 s at hop 256, 16 kHz.

That far from a cut, the encoder's output no longer depends on it: of 50,080 frames of real speech cut in this way, one
token differed from the whole recording's; with a margin of 256 frames 38 differed, with 128 frames 560.
"""
FEATURE_FRAMES = 768
"""Feature frames of a window that only features are computed of."""

WHOLE = ("tokens", "frames")
"""The outputs of a graph."""
MOST_BYTES = 2 << 30
"""The largest graph: what a protobuf message can hold."""
EXTERNAL = b"\n\x08location\x12"
"""How a graph names another file that holds weights of it; ONNX Runtime would open whatever it names."""


class Tokenizer:
    """A loaded tokenizer. It can be pickled: the copy holds the graph, and needs no file.

    >>> tokenizer = Tokenizer.from_pretrained("model")
    >>> tokenizer.encode_file("query.flac")
    array([5, 7, ..., 2, 1]...)
    >>> waveform = np.sin(np.arange(8000) / 5).astype(np.float32)
    >>> (tokens,) = tokenizer.encode([waveform], sample_rate=16000)

    Attributes:
        source: the model that was loaded: its name, a path, or a URI with the version's number.
        metadata: what the graph says of itself.
        sample_rate: Hz, the rate that the graph takes; `encode` converts to it.
        num_tokens: size of the codebook.
        codebook: float32 [num_tokens, d], unit rows; it says how far apart two tokens are.
        step: samples from one token to the next, before repeats are dropped.
        frame_seconds: the same in seconds.
        identity: a digest of the graph; token strings of tokenizers with different identities do not compare.
        provider: what computes, such as ``CPUExecutionProvider``.
        samples_at_once: padded samples in a batch.
    """

    def __init__(
        self,
        model: str | Path,
        device: str = "auto",
        threads: int | None = None,
        source: str | None = None,
        variant: str | None = None,
    ) -> None:
        """Load a tokenizer, as `from_pretrained` does; ``source`` is what it is called, by default as it was found."""
        with located(model, variant) as (graph, name):
            self._open(read_bytes(graph, MOST_BYTES), source or name, device, threads)

    def _open(self, content: bytes, source: str, device: str, threads: int | None) -> None:
        # Kept in memory: a downloaded file is deleted before `_part` may need it.
        self._content, self.source, self._device, self._threads = content, source, device, threads
        number = self._cuda_number(device)
        self._lanes = threads or available_cpus()
        # By default a session tries all algorithms of a convolution at every new shape.
        cuda = [] if number is None else [(CUDA, {"device_id": number, "cudnn_conv_algo_search": "HEURISTIC"})]
        self._providers: list[Any] = [*cuda, CPU]
        if EXTERNAL in content:
            raise UserError(f"{source} keeps its weights in other files, which is not read; export it again.", "model")
        try:
            self.session = self._load(content, self._lanes)
        except Exception as error:  # the only base class of ONNX Runtime's exceptions
            raise UserError(f"{source} cannot be loaded by ONNX Runtime ({reason(error)}); export it again.") from None
        names = {one.name for one in self.session.get_inputs()}, {one.name for one in self.session.get_outputs()}
        if names != ({"waveform", "samples"}, {"tokens", "frames"}):
            raise UserError(f"{source} is not a tokenizer of wav2tok (its inputs or outputs are others).", "model")
        self.provider = self.session.get_providers()[0]
        self._number = number if self.provider == CUDA else None
        if number is not None and self._number is None:
            self._refuse_cuda(device, "ONNX Runtime does not start there; see wav2tok doctor")
        # A CUDA device has room for larger batches and needs them to be busy.
        self._scale = 1 if self._number is None else 16
        self.samples_at_once = self._scale * SAMPLES_AT_ONCE
        self.identity = identity(content)
        self._parts: dict[tuple[tuple[str, ...], int], onnxruntime.InferenceSession] = {
            (WHOLE, self._lanes): self.session,
            (("tokens",), self._lanes): self.session,
        }
        text = self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise UserError(f"{source} is not a tokenizer of wav2tok (its metadata does not say so).", "model")
        try:
            self.metadata = Metadata.from_json(text)
        except ValueError as error:
            raise UserError(f"{source} {error}.", "model") from None
        self.sample_rate = self.metadata.sample_rate
        self.num_tokens = self.metadata.num_tokens
        self.codebook = self.metadata.codebook
        self.step = self.metadata.hop * self.metadata.stack
        self.frame_seconds = self.step / self.sample_rate
        log.debug(f"loaded {self!r}, {self._lanes} threads")
        if self._number is not None:
            log.info(f"device: cuda:{self._number} (ONNX Runtime)")
            self.warm_up()

    @staticmethod
    def _refuse_cuda(device: str, why: str) -> None:
        """Raise if CUDA was asked for; say what ``auto`` takes in its place."""
        if device != "auto":
            raise UserError(f"device is {device!r}, but {why}; or use cpu.", "device")
        log.warning(f"device: cpu, although the driver sees a CUDA device: {why}.")

    def _cuda_number(self, device: str) -> int | None:
        """The CUDA device that ``device`` means; None for the CPU, also where ``auto`` finds CUDA unusable."""
        number = pick(device, 0 if device == "cpu" else cuda_devices(), "the driver")
        problem = None if number is None else cuda_problem()
        if problem is None:
            return number
        self._refuse_cuda(device, problem)
        return None

    def warm_up(self) -> None:
        """Run the graph once on a second of silence: the first run plans its memory, and on CUDA starts the device."""
        self.run(np.zeros((1, self.sample_rate), np.float32), np.array([self.sample_rate]))

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        device: str = "auto",
        threads: int | None = None,
        variant: str | None = None,
    ) -> "Tokenizer":
        """Load a tokenizer.

        Args:
            model: an ONNX file, a folder that ``wav2tok train``, ``export`` or ``pull`` wrote, an MLflow URI, or a
                ready-made model such as ``wav2tok:speech``.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; an explicit ``cuda`` never falls back silently.
            threads: CPU threads; None means as many as this process may use.
            variant: ``int8`` or ``fp16``: a smaller graph that was exported with the model. Its token strings have an
                identity of their own.

        Raises:
            UserError: no such model, variant or device, or not a tokenizer.
        """
        return cls(model, device, threads, variant=variant)

    def __repr__(self) -> str:
        return (
            f"Tokenizer({self.source!r}, num_tokens={self.num_tokens}, sample_rate={self.sample_rate}, "
            f"identity={self.identity!r}, provider={self.provider!r})"
        )

    def on(self, device: str) -> "Tokenizer":
        """The same graph, loaded on another device.

        Raises:
            UserError: there is no such device.
        """
        content, source, _, threads = self.__getstate__()
        other = object.__new__(type(self))
        other.__setstate__((content, source, device, threads))
        return other

    def __getstate__(self) -> tuple[bytes, str, str, int | None]:
        return self._content, self.source, self._device, self._threads

    def __setstate__(self, state: tuple[bytes, str, str, int | None]) -> None:
        self._open(*state)

    def run(self, waveform: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run the graph on a padded batch.

        Args:
            waveform: float32 [B, N], padded with zeros.
            samples: int64 [B], the true lengths.

        Returns:
            (tokens int64 [B, T], how many of them are valid int64 [B]).
        """
        tokens, frames = self._outputs(self.session, WHOLE, waveform, samples)
        return tokens, frames

    def _outputs(
        self, session: onnxruntime.InferenceSession, outputs: tuple[str, ...], waveform: np.ndarray, samples: np.ndarray
    ) -> list[np.ndarray]:
        """``outputs`` of one of the sessions, the first of which are those of `run`."""
        found = self._run(session, [*outputs], {"waveform": waveform, "samples": samples})
        tokens, frames = found[:2]
        of_whole_numbers = tokens.dtype == frames.dtype == np.int64 and tokens.ndim == 2 and len(tokens) == len(samples)
        if not of_whole_numbers or frames.shape != samples.shape or not self._in_range(tokens, frames):
            raise UserError(f"{self.source} gives no tokens from 0 to {self.num_tokens - 1}; export it again.", "model")
        return found

    def _in_range(self, tokens: np.ndarray, frames: np.ndarray) -> bool:
        counted = bool(((frames >= 0) & (frames <= tokens.shape[1])).all())
        return counted and (not tokens.size or bool(tokens.min() >= 0 and tokens.max() < self.num_tokens))

    def _run(
        self, session: onnxruntime.InferenceSession, outputs: list[str], feed: dict[str, np.ndarray]
    ) -> list[np.ndarray]:
        try:
            if self._number is None:
                return session.run(outputs, feed)
            return run_bound(session, outputs, feed, "cuda", self._number)
        except RuntimeError as error:  # ONNX Runtime's: the graph divides by a length of its own, or memory is gone
            raise UserError(f"{self.source} fails in ONNX Runtime ({reason(error)}).", "model") from None

    def _stack(self, waveforms: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """`_stack` for this device."""
        longest = max(map(len, waveforms))
        return _stack(waveforms, longest if self._number is None else bucket(longest))

    def encode_blocks(self, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray:
        """One token per step of a recording of any length, in constant memory: int64 [T], T = N // step + 1.

        The recording is read three times, in windows with margins: twice for its `statistics`, and for its tokens. The
        tokens are those of the whole recording up to rounding, but not where a transformer would attend to all of it:
        there 7 of 4,501 frames differed.

        Args:
            blocks: returns the recording's samples from the beginning, float32 [n] each at the graph's rate.
        """
        statistics, core = self.statistics(blocks), self.steps(CORE_FRAMES)
        return np.concatenate(list(self._over_windows(blocks(), "tokens", statistics, self.step, core, self.margin)))

    def statistics(self, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray:
        """What a recording's tokens depend on beyond their surroundings, float32 [1, 1 + 2 W].

        The power of its loudest band, then mean and variance of its W measured features. A model that reads tiles
        normalises each tile by itself, so mean and variance are left at 0.

        Args:
            blocks: as for `encode_blocks`; the recording is read twice.
        """
        about = self.metadata
        statistics = np.zeros((1, 1 + 2 * about.width), dtype=np.float32)
        near = about.margin
        for loudness in self._over_windows(blocks(), "loudness", statistics, about.hop, FEATURE_FRAMES, near):
            statistics[0, 0] = max(statistics[0, 0], loudness.max())
        if about.tile is not None:
            return statistics
        count, total, squares = 0, np.float64(0), np.float64(0)
        for features in self._over_windows(blocks(), "features", statistics, about.hop, FEATURE_FRAMES, near):
            count += len(features)
            total = total + features.sum(axis=0, dtype=np.float64)
            squares = squares + np.square(features, dtype=np.float64).sum(axis=0)
        mean = total / count
        statistics[0, 1:] = np.concatenate([mean, squares / count - mean**2])
        return statistics

    def steps(self, frames: int) -> int:
        """Feature frames in steps, rounded up; of a model that reads tiles, to whole tiles."""
        unit = self.metadata.tile or self.metadata.stack
        return -(-frames // unit) * unit // self.metadata.stack

    @property
    def margin(self) -> int:
        """Steps before and after a token that must be read for it to be right, if the recording's statistics are known.

        For an encoder that reads whole recordings, what is further away hardly changes its tokens (`MARGIN_FRAMES`).
        """
        about = self.metadata
        if about.tile is not None:
            return self.steps(about.margin)
        return self.steps(MARGIN_FRAMES if about.context is None else about.context)

    def _load(self, graph: bytes, threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        # Threads that wait for each other would keep their cores, also while the graph is loaded: a first recording of
        # 5 s took twice the CPU time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(graph, options, providers=self._providers)

    def _part(self, outputs: tuple[str, ...], threads: int | None = None) -> onnxruntime.InferenceSession:
        """The part of the graph that some outputs need, in ``threads`` threads of its own; None means all.

        ONNX Runtime would compute all of the graph.
        """
        key = outputs, threads or self._lanes
        if key not in self._parts:
            try:
                graph = self._content if outputs == WHOLE else self._cut(outputs)
            except ValueError as error:
                raise UserError(
                    f"{self.source} cannot read recordings longer than a minute ({error}); export it again."
                ) from None
            self._parts[key] = self._load(graph, key[1])
        return self._parts[key]

    def _cut(self, outputs: tuple[str, ...]) -> bytes:
        return cut(self._content, *outputs, floats={self._similarity} & {*outputs})  # type: ignore[arg-type]

    def _over_windows(
        self, blocks: Iterable[np.ndarray], output: str, statistics: np.ndarray, hop: int, core: int, margin: int
    ) -> Iterator[np.ndarray]:
        """One output of the graph, [keep, ...] per window; the output has one row for every ``hop`` samples."""
        session = self._part((output,))
        # Windows of long frames hold more samples, so fewer of them are read at once.
        at_once = self._scale * max(1, min(WINDOWS_AT_ONCE, WINDOWS_AT_ONCE * 256 // self.metadata.hop))
        needed = [x.name for x in (*session.get_inputs(), *session.get_overridable_initializers())]
        remaining = windows(blocks, hop, core, margin)
        while batch := list(islice(remaining, at_once)):
            feed = self._stack([w.waveform for w in batch]) | {"statistics": statistics}
            (rows,) = self._run(session, [output], {name: feed[name] for name in needed})
            for i, window in enumerate(batch):
                yield rows[i, window.skip : window.skip + window.keep]

    def encode_window(self, waveform: np.ndarray, statistics: np.ndarray | None = None) -> np.ndarray:
        """One token per step of part of a recording, float32 [N] at the graph's rate: int64 [T], T = N // step + 1.

        Args:
            statistics: of the whole recording (`statistics`); None: the part's own, as if it were a recording.
        """
        if statistics is None:
            return self.encode_frames([waveform], self.sample_rate)[0]
        feed = self._stack([waveform]) | {"statistics": statistics}
        tokens, frames = self._run(self.session, ["tokens", "frames"], feed)
        return tokens[0, : frames[0]]

    def encode_frames(self, waveforms: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """One token per step: float [N] each, at ``sample_rate`` Hz -> int64 [T] each, T = N // step + 1.

        Raises:
            UserError: ``sample_rate`` is not positive, or a waveform is empty, not one-dimensional, not finite, or not
                of floats.
        """
        if not isinstance(sample_rate, int | np.integer) or sample_rate <= 0:
            raise UserError(f"sample_rate is {sample_rate!r}; it must be a positive integer, in Hz.")
        if isinstance(waveforms, str | Path):
            raise UserError(f"waveforms is the path {waveforms}; encode a file with encode_file.")
        if isinstance(waveforms, np.ndarray) and waveforms.ndim == 1 and waveforms.dtype != object:
            raise UserError("waveforms is one array; put it in a list: encode([waveform], sample_rate).")
        ready = [decode.resample(_checked(i, wave), sample_rate, self.sample_rate) for i, wave in enumerate(waveforms)]
        out: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(ready)
        short = [i for i, wave in enumerate(ready) if len(wave) <= LONG_SAMPLES]
        for i, (tokens,) in zip(short, self._in_lanes([ready[i] for i in short], WHOLE), strict=True):
            out[i] = tokens
        for i in sorted(set(range(len(ready))) - set(short)):
            out[i] = self.encode_blocks(partial(iter, [ready[i]]))
        return out

    def encode_with_features(self, waveforms: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """`encode_frames`, and what the encoder read before it was normalised: float32 [N] each, at the graph's rate.

        Returns:
            (tokens int64 [T'], features float32 [T, W]) of each, T = N // hop + 1. The features of a model that reads
            tiles are its spectrum.
        """
        hop, margin = self.metadata.hop, self.metadata.margin
        return self._with_value(waveforms, "features", hop, FEATURE_FRAMES, margin)

    def encode_with_similarities(self, waveforms: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """`encode_frames`, and the cosine of each step and its nearest codeword: float32 [N] each, at the graph's rate.

        Returns:
            (tokens int64 [T], cosines float32 [T]) of each; None if the graph is so old that it does not say them.
        """
        name = self._similarity
        if name is None:
            return None
        found = self._with_value(waveforms, name, self.step, self.steps(CORE_FRAMES), self.margin)
        return [(tokens, cosines[: len(tokens), 0]) for tokens, cosines in found]

    def similarities_of_blocks(self, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray | None:
        """The cosines of `encode_with_similarities` of a recording of any length, in constant memory, float32 [T].

        Args:
            blocks: as for `encode_blocks`; the recording is read three times.
        """
        name = self._similarity
        if name is None:
            return None
        core, statistics = self.steps(CORE_FRAMES), self.statistics(blocks)
        return np.concatenate(list(self._over_windows(blocks(), name, statistics, self.step, core, self.margin)))[:, 0]

    @cached_property
    def _similarity(self) -> str | None:
        """The inner value of the graph that `encode_with_similarities` reads."""
        return greatest_similarity(self._content)

    def _with_value(
        self, waveforms: Sequence[np.ndarray], name: str, hop: int, core: int, margin: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Tokens, and an inner value of the graph that has a row for every ``hop`` samples.

        Args:
            core, margin: of the windows of a long recording, in rows.
        """
        short = [i for i, wave in enumerate(waveforms) if len(wave) <= LONG_SAMPLES]
        outputs = (*WHOLE, name)
        found = dict(zip(short, self._in_lanes([waveforms[i] for i in short], outputs), strict=True))
        read: list[tuple[np.ndarray, np.ndarray]] = []
        for i, wave in enumerate(waveforms):
            if i not in found:
                blocks = partial(iter, [wave])
                rows = self._over_windows(blocks(), name, self.statistics(blocks), hop, core, margin)
                read.append((self.encode_blocks(blocks), np.concatenate(list(rows))))
            else:
                read.append((found[i][0], found[i][1]))
        return read

    def _in_lanes(self, waveforms: list[np.ndarray], outputs: tuple[str, ...]) -> list[list[np.ndarray]]:
        """Recordings that are read whole, float32 [N] each, in batches, one per core at a time.

        Returns:
            For each recording its tokens, and the rows of what else is among ``outputs``, at most one per hop.
        """
        lanes = 1 if self._number is not None else self._lanes
        # A few recordings are shared out evenly.
        even = -(-sum(map(len, waveforms)) // lanes)
        most = self.samples_at_once if self._number is not None else min(LANE_SAMPLES, even)
        batches = _batches([len(wave) for wave in waveforms], most)
        out: list[list[np.ndarray]] = [[]] * len(waveforms)

        def encode(session: onnxruntime.InferenceSession, batch: list[int]) -> None:
            feed = self._stack([waveforms[i] for i in batch])
            tokens, counts, *values = self._outputs(session, outputs, **feed)
            lengths = feed["samples"] // self.metadata.hop + 1
            for row, (i, count, length) in enumerate(zip(batch, counts, lengths, strict=True)):
                out[i] = [tokens[row, :count], *(one[row, :length] for one in values)]

        if lanes == 1 or len(batches) == 1:
            for batch in batches:
                encode(self._part(outputs), batch)
            return out
        alone = self._part(outputs, 1)
        with ThreadPoolExecutor(lanes) as pool:
            list(pool.map(partial(encode, alone), reversed(batches)))  # the longest first
        return out

    def encode(self, waveforms: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """Token strings without repeats: float [N] each, at ``sample_rate`` Hz -> int64 [L] each."""
        return [deduplicate(tokens) for tokens in self.encode_frames(waveforms, sample_rate)]

    def encode_file(self, path: str | Path) -> np.ndarray:
        """The token string of a recording without repeats, int64 [L]; of any length, in constant memory.

        Raises:
            UserError: the file is missing, not audio, damaged or empty.
        """
        return self.encode_files([path])[0]

    def encode_files(self, paths: Sequence[str | Path]) -> list[np.ndarray]:
        """The token strings of recordings, int64 [L] each; files are decoded in threads and encoded in batches.

        `wav2tok.tokenizer.batch.tokenize_files` also gives lengths and positions, and goes on after a bad file.

        Raises:
            UserError: a file is missing, not audio, damaged or empty.
        """
        strings = []
        for result in tokenize_files([str(path) for path in paths], self):
            if isinstance(result, Failure):
                raise UserError(result.error)
            strings.append(result.tokens)
        return strings


def _checked(number: int, waveform: np.ndarray) -> np.ndarray:
    """A waveform as float32 [N], if it is one channel of finite floats."""
    wave = np.asarray(waveform)
    if wave.dtype.kind in "iu":
        raise UserError(
            f"waveform {number} has dtype {wave.dtype}; convert it to floats in [-1, 1] first (divide 16-bit samples "
            "by 32768)."
        )
    if wave.dtype.kind != "f":
        raise UserError(f"waveform {number} has dtype {wave.dtype}; it must be an array of floats.")
    wave = wave.astype(np.float32, copy=False)
    if wave.ndim != 1 or len(wave) == 0 or not np.isfinite(wave).all():
        raise UserError(f"waveform {number} has shape {wave.shape}; it must be one channel of finite samples.")
    return wave


def _stack(waveforms: Sequence[np.ndarray], length: int) -> dict[str, np.ndarray]:
    """The graph's inputs for float32 [N] each: the waveforms padded with zeros to a length, and their true lengths."""
    samples = np.array([len(w) for w in waveforms], dtype=np.int64)
    batch = np.zeros((len(waveforms), length), dtype=np.float32)
    for row, wave in zip(batch, waveforms, strict=True):
        row[: len(wave)] = wave
    return {"waveform": batch, "samples": samples}


def _batches(lengths: list[int], most: int) -> list[list[int]]:
    """Indices in batches of similar length, each of at most ``most`` samples when padded."""
    out: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if out and (len(out[-1]) + 1) * lengths[i] <= most:
            out[-1].append(i)
        else:
            out.append([i])
    return out
