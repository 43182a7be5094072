"""From audio to tokens with ONNX Runtime alone: no torch, no training code, quick to start."""

import base64
import contextlib
import ctypes
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from wav2tok import audio
from wav2tok.errors import UserError, reason
from wav2tok.matching import deduplicate

METADATA_KEY = "wav2tok"
GRAPH_NAMES = ("tokenizer.onnx", "model.onnx")
"""What a folder's graph is called: by ``train``, ``export`` and ``pull``, and by MLflow."""
SAMPLES_AT_ONCE = 1 << 22
"""Padded samples in a batch."""


def pack(codebook: np.ndarray) -> dict[str, Any]:
    """A codebook [K, d] as JSON values, float32 in base64."""
    return {
        "shape": list(codebook.shape),
        "float32": base64.b64encode(codebook.astype("<f4").tobytes()).decode("ascii"),
    }


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """What `pack` was given."""
    return np.frombuffer(base64.b64decode(packed["float32"]), dtype="<f4").reshape(packed["shape"])


def cuda_devices() -> int:
    """NVIDIA devices that the driver sees; ONNX Runtime itself claims CUDA where there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


def locate(model: str | Path) -> Path:
    """The ONNX file that a file or a folder stands for.

    Raises:
        UserError: there is none.
    """
    path = Path(model)
    if path.is_file():
        return path
    for name in GRAPH_NAMES:
        if (path / name).is_file():
            return path / name
    what = f"folder {path} holds no {GRAPH_NAMES[0]}" if path.is_dir() else f"{path} does not exist"
    raise UserError(
        f"--model: {what}; name an ONNX file, a folder that wav2tok train, export or pull wrote, or an "
        "MLflow URI such as models:/wav2tok@champion."
    )


@contextlib.contextmanager
def located(model: str | Path) -> Iterator[Path]:
    """The ONNX file that MODEL stands for: a file, a folder, or an MLflow URI such as ``models:/wav2tok@champion``.

    What an MLflow URI names is downloaded and kept for the length of the block.

    Raises:
        UserError: there is none, or the URI cannot be fetched.
    """
    if str(model).startswith(("models:/", "runs:/", "mlflow-artifacts:/")):
        from wav2tok.registry import fetch

        with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
            yield locate(fetch(str(model), Path(folder)))
    else:
        yield locate(model)


class Tokenizer:
    """A loaded tokenizer.

    Attributes:
        sample_rate: Hz, the rate that the graph takes; `encode` converts to it.
        num_tokens: size of the codebook.
        codebook: float32 [num_tokens, d], unit rows: how far tokens are from one another.
        frame_seconds: time from one frame to the next.
        identity: a digest of the graph; token strings of two identities do not compare.
        provider: what computes, such as ``CPUExecutionProvider``.
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
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        providers = (["CUDAExecutionProvider"] if cuda else []) + ["CPUExecutionProvider"]
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # its own exception types share no base class but this
            raise UserError(f"{path} cannot be loaded by ONNX Runtime ({reason(error)}); export it anew.") from None
        self.provider = self.session.get_providers()[0]
        if device == "cuda" and self.provider != "CUDAExecutionProvider":
            raise UserError(
                "--device cuda: ONNX Runtime fell back to the CPU; see wav2tok doctor, or use --device cpu."
            )
        self.identity = audio.sha256(path)[:16]
        told = self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if told is None:
            raise UserError(f"{path} is no tokenizer of wav2tok (its metadata does not say so); name another --model.")
        self.about: dict[str, Any] = json.loads(told)
        self.sample_rate = int(self.about["sample_rate"])
        self.num_tokens = int(self.about["num_tokens"])
        self.codebook = unpack(self.about["codebook"])
        self.frame_seconds = self.about["hop"] / self.sample_rate

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
        tokens, frames = self.session.run(None, {"waveform": waveform, "samples": samples})
        return tokens, frames

    def encode_frames(self, waveforms: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """One token a frame: float [N] each, at ``sample_rate`` Hz -> int64 [T] each, T = N // hop + 1.

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
            ready.append(audio.resample(wave, sample_rate, self.sample_rate))
        out: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(ready)
        for part in self._batches([len(w) for w in ready]):
            samples = np.array([len(ready[i]) for i in part], dtype=np.int64)
            batch = np.zeros((len(part), int(samples.max())), dtype=np.float32)
            for row, i in zip(batch, part, strict=True):
                row[: len(ready[i])] = ready[i]
            for i, tokens, count in zip(part, *self.run(batch, samples), strict=True):
                out[i] = tokens[:count]
        return out

    def encode(self, waveforms: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """Token strings without repeats: float [N] each, at ``sample_rate`` Hz -> int64 [L] each."""
        return [deduplicate(tokens) for tokens in self.encode_frames(waveforms, sample_rate)]

    @staticmethod
    def _batches(lengths: list[int]) -> list[list[int]]:
        """Indices in batches of similar length, each within `SAMPLES_AT_ONCE` when padded."""
        out: list[list[int]] = []
        for i in sorted(range(len(lengths)), key=lengths.__getitem__):
            if out and (len(out[-1]) + 1) * lengths[i] <= SAMPLES_AT_ONCE:
                out[-1].append(i)
            else:
                out.append([i])
        return out
