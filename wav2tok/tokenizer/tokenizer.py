"""From audio to tokens with ONNX Runtime alone: no torch, no training code, quick to start."""

import ctypes
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from wav2tok.audio import decode
from wav2tok.audio.ahead import LONG_SAMPLES
from wav2tok.audio.windows import windows
from wav2tok.errors import UserError, reason
from wav2tok.matching.strings import deduplicate
from wav2tok.tokenizer.format import METADATA_KEY, unpack
from wav2tok.tokenizer.locate import located

SAMPLES_AT_ONCE = 1 << 20
"""Padded samples in a batch, 65 s at 16 kHz: larger ones are no faster and take more memory."""
WINDOWS_AT_ONCE = 4
CORE_FRAMES, MARGIN_FRAMES = 3072, 512
"""Frames of a window of a long recording, and those on either side that only give it context: 8 s of hop 256 at 16 kHz.

So far from a cut the encoder does not tell it any more: of 50,080 frames of real speech cut in this way one token
differed from the whole recording's, of a margin of 256 frames 38, of 128 frames 560.
"""
FEATURE_FRAMES = 768
"""Frames of a window of which only features are wanted."""


def cuda_devices() -> int:
    """NVIDIA devices that the driver sees; ONNX Runtime itself claims CUDA where there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


class Tokenizer:
    """A loaded tokenizer.

    Attributes:
        sample_rate: Hz, the rate that the graph takes; `encode` converts to it.
        num_tokens: size of the codebook.
        codebook: float32 [num_tokens, d], unit rows: how far tokens are from one another.
        step: samples from one token to the next, before repeats are dropped.
        frame_seconds: the same in seconds.
        identity: a digest of the graph; token strings of two identities do not compare.
        provider: what computes, such as ``CPUExecutionProvider``.
        batches: how many times `SAMPLES_AT_ONCE` are computed at once.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int | None = None) -> None:
        """Load an ONNX file; see `from_pretrained` for other places."""
        if device not in ("auto", "cpu", "cuda"):
            raise UserError(f"--device is {device!r}; it must be auto, cpu or cuda.")
        cuda = device != "cpu" and cuda_devices() > 0
        if device == "cuda" and not cuda:
            raise UserError("--device cuda: the driver sees no CUDA device here; use --device auto or cpu.")
        if cuda:
            onnxruntime.preload_dlls()
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        if threads is not None:
            self._options.intra_op_num_threads = threads
        self._providers = (["CUDAExecutionProvider"] if cuda else []) + ["CPUExecutionProvider"]
        # Kept, because the file may be one that was fetched and is gone when a part of the graph is asked for.
        self._content = path.read_bytes()
        try:
            self.session = self._load(self._content)
        except Exception as error:  # its own exception types share no base class but this
            raise UserError(f"{path} cannot be loaded by ONNX Runtime ({reason(error)}); export it anew.") from None
        self.provider = self.session.get_providers()[0]
        if device == "cuda" and self.provider != "CUDAExecutionProvider":
            raise UserError(
                "--device cuda: ONNX Runtime fell back to the CPU; see wav2tok doctor, or use --device cpu."
            )
        # A CUDA device has room for more at once, and is only busy with more.
        self.batches = 1 if self.provider == "CPUExecutionProvider" else 16
        self.identity = hashlib.sha256(self._content).hexdigest()[:16]
        self._parts: dict[str, onnxruntime.InferenceSession] = {"tokens": self.session}
        told = self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if told is None:
            raise UserError(f"{path} is no tokenizer of wav2tok (its metadata does not say so); name another --model.")
        self.about: dict[str, Any] = json.loads(told)
        if "tile" not in self.about:
            raise UserError(f"{path} was exported by an older wav2tok; export it anew.")
        self.sample_rate = int(self.about["sample_rate"])
        self.num_tokens = int(self.about["num_tokens"])
        self.codebook = unpack(self.about["codebook"])
        self.step = self.about["hop"] * self.about["stack"]
        self.frame_seconds = self.step / self.sample_rate

    @classmethod
    def from_pretrained(cls, model: str | Path, device: str = "auto", threads: int | None = None) -> "Tokenizer":
        """Load a tokenizer.

        Args:
            model: an ONNX file, a folder that ``wav2tok train``, ``export`` or ``pull`` wrote, or an MLflow URI.
            device: ``auto``, ``cpu`` or ``cuda``; ``cuda`` never falls back in silence.
            threads: of the CPU; all by default.

        Raises:
            UserError: no such model, no such device, not a tokenizer.
        """
        with located(model) as graph:
            return cls(graph, device, threads)

    def run(self, waveform: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The graph itself: float32 [B, N] and int64 [B] true lengths -> (int64 tokens [B, T], int64 frames [B])."""
        tokens, frames = self.session.run(["tokens", "frames"], {"waveform": waveform, "samples": samples})
        return tokens, frames

    def encode_blocks(self, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray:
        """One token a step of a recording of any length, in constant memory: int64 [T], T = N // step + 1.

        The recording is read three times: for its loudest band, for the mean and variance of its features, and for
        its tokens, in windows with margins. Tokens are those of the whole recording but for roundings; not so where a
        transformer would attend to all of it: of 4,501 frames seven were other ones. (A model that hears tiles
        normalises each by itself and is spared the second reading; its windows are whole tiles.)

        Args:
            blocks: gives the recording's samples from the beginning, float32 [n] each at the graph's rate.
        """
        statistics = np.zeros((1, 1 + 2 * self.about["width"]), dtype=np.float32)
        # Features see half a window of the transform and four frames of differences on either side.
        near = 4 + -(-self.about["config"]["features"]["n_fft"] // (2 * self.about["hop"]))
        for loudness in self._over_windows(blocks(), "loudness", statistics, self.about["hop"], FEATURE_FRAMES, near):
            statistics[0, 0] = max(statistics[0, 0], loudness.max())
        tile = self.about["tile"]
        if tile is not None:
            core, margin = (-(-frames // tile) * tile // self.about["stack"] for frames in (CORE_FRAMES, near))
            return np.concatenate(list(self._over_windows(blocks(), "tokens", statistics, self.step, core, margin)))
        count, total, squares = 0, np.float64(0), np.float64(0)
        for features in self._over_windows(blocks(), "features", statistics, self.about["hop"], FEATURE_FRAMES, near):
            count += len(features)
            total = total + features.sum(axis=0, dtype=np.float64)
            squares = squares + np.square(features, dtype=np.float64).sum(axis=0)
        mean = total / count
        statistics[0, 1:] = np.concatenate([mean, squares / count - mean**2])
        core, margin = (frames // self.about["stack"] for frames in (CORE_FRAMES, MARGIN_FRAMES))
        return np.concatenate(list(self._over_windows(blocks(), "tokens", statistics, self.step, core, margin)))

    def _load(self, graph: bytes) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(graph, self._options, providers=self._providers)

    def _part(self, output: str) -> onnxruntime.InferenceSession:
        """The part of the graph that gives one output: ONNX Runtime would compute all of it."""
        if output not in self._parts:
            import onnx
            from onnx.utils import Extractor

            whole = onnx.load_model_from_string(self._content)
            # The exporter leaves out an input that nothing reads.
            wanted = ("waveform", "samples", "statistics") if output == "features" else ("waveform", "samples")
            inputs = [x.name for x in whole.graph.input if x.name in wanted]
            self._parts[output] = self._load(Extractor(whole).extract_model(inputs, [output]).SerializeToString())
        return self._parts[output]

    def _over_windows(
        self, blocks: Iterable[np.ndarray], output: str, statistics: np.ndarray, hop: int, core: int, margin: int
    ) -> Iterator[np.ndarray]:
        """One output of the graph, [keep, ...], window by window; it has one for every ``hop`` samples."""
        session = self._part(output)
        needed = [x.name for x in (*session.get_inputs(), *session.get_overridable_initializers())]
        coming = windows(blocks, hop, core, margin)
        while batch := list(islice(coming, WINDOWS_AT_ONCE * self.batches)):
            feed = _stack([w.waveform for w in batch]) | {"statistics": statistics}
            (got,) = session.run([output], {name: feed[name] for name in needed})
            for i, window in enumerate(batch):
                yield got[i, window.skip : window.skip + window.keep]

    def encode_frames(self, waveforms: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """One token a step: float [N] each, at ``sample_rate`` Hz -> int64 [T] each, T = N // step + 1.

        Raises:
            UserError: a waveform is empty, not one-dimensional, or not finite.
        """
        if sample_rate <= 0:
            raise UserError(f"sample_rate is {sample_rate}; it must be positive, in Hz.")
        ready: list[np.ndarray] = []
        for i, wave in enumerate(waveforms):
            wave = np.asarray(wave, dtype=np.float32)
            if wave.ndim != 1 or len(wave) == 0 or not np.isfinite(wave).all():
                raise UserError(f"waveform {i} has shape {wave.shape}; it must be one channel of finite samples.")
            ready.append(decode.resample(wave, sample_rate, self.sample_rate))
        out: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(ready)
        short = [i for i, wave in enumerate(ready) if len(wave) <= LONG_SAMPLES]
        for part in _batches([len(ready[i]) for i in short], SAMPLES_AT_ONCE * self.batches):
            batch = _stack([ready[short[k]] for k in part])
            for k, tokens, count in zip(part, *self.run(**batch), strict=True):
                out[short[k]] = tokens[:count]
        for i in sorted(set(range(len(ready))) - set(short)):
            out[i] = self.encode_blocks(partial(iter, [ready[i]]))
        return out

    def encode(self, waveforms: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """Token strings without repeats: float [N] each, at ``sample_rate`` Hz -> int64 [L] each."""
        return [deduplicate(tokens) for tokens in self.encode_frames(waveforms, sample_rate)]


def _stack(waveforms: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The graph's inputs for float32 [N] each: filled up with zeros, and the true lengths."""
    samples = np.array([len(w) for w in waveforms], dtype=np.int64)
    batch = np.zeros((len(waveforms), int(samples.max())), dtype=np.float32)
    for row, wave in zip(batch, waveforms, strict=True):
        row[: len(wave)] = wave
    return {"waveform": batch, "samples": samples}


def _batches(lengths: list[int], most: int) -> list[list[int]]:
    """Indices in batches of similar length, each within ``most`` samples when padded."""
    out: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if out and (len(out[-1]) + 1) * lengths[i] <= most:
            out[-1].append(i)
        else:
            out.append([i])
    return out
