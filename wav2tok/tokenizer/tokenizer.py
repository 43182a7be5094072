"""From audio to tokens with ONNX Runtime alone: no torch, no training code, quick to start."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from wav2tok.audio.ahead import LONG_SAMPLES
from wav2tok.errors import UserError
from wav2tok.matching import deduplicate
from wav2tok.progress import log
from wav2tok.tokenizer import windowed
from wav2tok.tokenizer.batch import Failure, tokenize_files
from wav2tok.tokenizer.format import identity
from wav2tok.tokenizer.loaded import WHOLE, Loaded
from wav2tok.tokenizer.locate import located
from wav2tok.tokenizer.waveforms import checked
from wav2tok.tokenizer.whole import encode_whole
from wav2tok.untrusted import read_bytes

MOST_BYTES = 2 << 30
"""The largest graph: what a protobuf message can hold."""


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
        self._graph = Loaded(content, source, device, threads)
        self.source, self.provider, self.metadata = source, self._graph.provider, self._graph.metadata
        self.samples_at_once = self._graph.samples_at_once
        self.identity = identity(content)
        self.sample_rate = self.metadata.sample_rate
        self.num_tokens = self.metadata.num_tokens
        self.codebook = self.metadata.codebook
        self.step = self.metadata.hop * self.metadata.stack
        self.frame_seconds = self.step / self.sample_rate
        log.debug(f"loaded {self!r}, {self._graph.lanes} threads")
        if self._graph.number is not None:
            log.info(f"device: cuda:{self._graph.number} (ONNX Runtime)")
            self.warm_up()

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
        return self._graph.content, self.source, self._graph.device, self._graph.threads

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
        tokens, frames = self._graph.tokens(self._graph.session, WHOLE, waveform, samples)
        return tokens, frames

    def encode_blocks(self, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray:
        """One token per step of a recording of any length, in constant memory: int64 [T], T = N // step + 1.

        The recording is read three times, in windows with margins: twice for its `statistics`, and for its tokens. The
        tokens are those of the whole recording up to rounding, but not where a transformer would attend to all of it:
        there 7 of 4,501 frames differed.

        Args:
            blocks: returns the recording's samples from the beginning, float32 [n] each at the graph's rate.
        """
        return windowed.per_step(self._graph, blocks, "tokens")

    def statistics(self, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray:
        """What a recording's tokens depend on beyond their surroundings, float32 [1, 1 + 2 W] (`encode_window`).

        Args:
            blocks: as for `encode_blocks`; the recording is read twice.
        """
        return windowed.statistics(self._graph, blocks)

    @property
    def margin(self) -> int:
        """Steps before and after a token that must be read for it to be right, if the recording's statistics are known.

        For an encoder that reads whole recordings, what is further away hardly changes its tokens.
        """
        return windowed.margin(self.metadata)

    def encode_window(self, waveform: np.ndarray, statistics: np.ndarray | None = None) -> np.ndarray:
        """One token per step of part of a recording, float32 [N] at the graph's rate: int64 [T], T = N // step + 1.

        Args:
            statistics: of the whole recording (`statistics`); None: the part's own, as if it were a recording.
        """
        if statistics is None:
            return self.encode_frames([waveform], self.sample_rate)[0]
        feed = self._graph.padded([waveform]) | {"statistics": statistics}
        tokens, frames = self._graph.run(self._graph.session, [*WHOLE], feed)
        return tokens[0, : frames[0]]

    def encode_frames(self, waveforms: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """One token per step: float [N] each, at ``sample_rate`` Hz -> int64 [T] each, T = N // step + 1.

        Raises:
            UserError: ``sample_rate`` is not positive, or a waveform is empty, not one-dimensional, not finite, or not
                of floats.
        """
        ready = checked(waveforms, sample_rate, self.sample_rate)
        out: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(ready)
        short = [i for i, wave in enumerate(ready) if len(wave) <= LONG_SAMPLES]
        for i, (tokens,) in zip(short, encode_whole(self._graph, [ready[i] for i in short], WHOLE), strict=True):
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
        return self._with_value(waveforms, "features", windowed.per_frame)

    def encode_with_similarities(self, waveforms: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """`encode_frames`, and the cosine of each step and its nearest codeword: float32 [N] each, at the graph's rate.

        Returns:
            (tokens int64 [T], cosines float32 [T]) of each; None if the graph is so old that it does not say them.
        """
        name = self._graph.similarity
        if name is None:
            return None
        found = self._with_value(waveforms, name, windowed.per_step)
        return [(tokens, cosines[: len(tokens), 0]) for tokens, cosines in found]

    def similarities_of_blocks(self, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray | None:
        """The cosines of `encode_with_similarities` of a recording of any length, in constant memory, float32 [T].

        Args:
            blocks: as for `encode_blocks`; the recording is read three times.
        """
        name = self._graph.similarity
        return None if name is None else windowed.per_step(self._graph, blocks, name)[:, 0]

    def _with_value(
        self,
        waveforms: Sequence[np.ndarray],
        name: str,
        of_long: Callable[[Loaded, Callable[[], Iterable[np.ndarray]], str], np.ndarray],
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Tokens, and the inner value ``name`` of the graph; ``of_long`` reads it of a long recording."""
        short = [i for i, wave in enumerate(waveforms) if len(wave) <= LONG_SAMPLES]
        of_short = encode_whole(self._graph, [waveforms[i] for i in short], (*WHOLE, name))
        found = dict(zip(short, of_short, strict=True))
        read: list[tuple[np.ndarray, np.ndarray]] = []
        for i, wave in enumerate(waveforms):
            if i in found:
                tokens, value = found[i]
            else:
                blocks = partial(iter, [wave])
                tokens, value = self.encode_blocks(blocks), of_long(self._graph, blocks, name)
            read.append((tokens, value))
        return read

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
