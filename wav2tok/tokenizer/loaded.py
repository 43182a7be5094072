"""A tokenizer's graph in ONNX Runtime: the device that computes it, and the parts that single outputs need."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime

from wav2tok.device import available_cpus, bucket, cuda_devices, pick
from wav2tok.errors import UserError, reason
from wav2tok.progress import log
from wav2tok.tokenizer.format import METADATA_KEY, Metadata
from wav2tok.tokenizer.graph import cut, greatest_similarity
from wav2tok.tokenizer.provider import CPU, CUDA, cuda_problem, run_bound
from wav2tok.tokenizer.waveforms import padded

WHOLE = ("tokens", "frames")
"""The outputs of a graph."""
SAMPLES_AT_ONCE = 1 << 20
"""Padded samples in a batch on CUDA, before scaling, and of files that are decoded before they are encoded."""
EXTERNAL = b"\n\x08location\x12"
"""How a graph names another file that holds weights of it; ONNX Runtime would open whatever it names."""


class Loaded:
    """A graph that ONNX Runtime has loaded.

    Attributes:
        content: the bytes of the ONNX file.
        source: what the model is called in messages.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, as it was asked for.
        threads: as they were asked for; None means as many as this process may use.
        lanes: CPU threads.
        session: the whole graph.
        provider: what computes, such as ``CPUExecutionProvider``.
        number: of the CUDA device; None on the CPU.
        scale: how many times larger batches are here than on the CPU.
        samples_at_once: padded samples in a batch.
        metadata: what the graph says of itself.
    """

    def __init__(self, content: bytes, source: str, device: str, threads: int | None) -> None:
        """Load a graph.

        Raises:
            UserError: the device cannot be used, or ``content`` is not a tokenizer of wav2tok.
        """
        # Kept in memory: a downloaded file is deleted before `part` may need it.
        self.content, self.source, self.device, self.threads = content, source, device, threads
        number = self._cuda_number(device)
        self.lanes = threads or available_cpus()
        # By default a session tries all algorithms of a convolution at every new shape.
        cuda = [] if number is None else [(CUDA, {"device_id": number, "cudnn_conv_algo_search": "HEURISTIC"})]
        self._providers: list[Any] = [*cuda, CPU]
        if EXTERNAL in content:
            raise UserError(f"{source} keeps its weights in other files, which are not read; export it again.", "model")
        try:
            self.session = self._load(content, self.lanes)
        except Exception as error:  # the only base class of ONNX Runtime's exceptions
            raise UserError(f"{source} cannot be loaded by ONNX Runtime ({reason(error)}); export it again.") from None
        names = {one.name for one in self.session.get_inputs()}, {one.name for one in self.session.get_outputs()}
        if names != ({"waveform", "samples"}, {"tokens", "frames"}):
            raise UserError(f"{source} is not a tokenizer of wav2tok (its inputs or outputs differ).", "model")
        self.provider = self.session.get_providers()[0]
        self.number = number if self.provider == CUDA else None
        if number is not None and self.number is None:
            self._refuse_cuda(device, "ONNX Runtime does not start there; see wav2tok doctor")
        # A CUDA device has room for larger batches and needs them to be busy.
        self.scale = 1 if self.number is None else 16
        self.samples_at_once = self.scale * SAMPLES_AT_ONCE
        self._parts: dict[tuple[tuple[str, ...], int], onnxruntime.InferenceSession] = {
            (WHOLE, self.lanes): self.session,
            (("tokens",), self.lanes): self.session,
        }
        text = self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise UserError(f"{source} is not a tokenizer of wav2tok (its metadata does not say so).", "model")
        try:
            self.metadata = Metadata.from_json(text)
        except ValueError as error:
            raise UserError(f"{source} {error}.", "model") from None

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

    def _load(self, graph: bytes, threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        # Threads that wait for each other would keep their cores, also while the graph is loaded: a first recording of
        # 5 s took twice the CPU time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(graph, options, providers=self._providers)

    def part(self, outputs: tuple[str, ...], threads: int | None = None) -> onnxruntime.InferenceSession:
        """The part of the graph that some outputs need, in ``threads`` threads of its own; None means all.

        ONNX Runtime would compute all of the graph.
        """
        key = outputs, threads or self.lanes
        if key not in self._parts:
            try:
                graph = self.content if outputs == WHOLE else self._cut(outputs)
            except ValueError as error:
                raise UserError(
                    f"{self.source} cannot read recordings longer than a minute ({error}); export it again."
                ) from None
            self._parts[key] = self._load(graph, key[1])
        return self._parts[key]

    def _cut(self, outputs: tuple[str, ...]) -> bytes:
        return cut(self.content, *outputs, floats={self.similarity} & {*outputs})  # type: ignore[arg-type]

    @cached_property
    def similarity(self) -> str | None:
        """The inner value with the cosine of each step and its nearest codeword; None if the graph is too old."""
        return greatest_similarity(self.content)

    def tokens(
        self, session: onnxruntime.InferenceSession, outputs: tuple[str, ...], waveform: np.ndarray, samples: np.ndarray
    ) -> list[np.ndarray]:
        """Run a padded batch, float32 [B, N] of int64 [B] samples, through one of the sessions.

        Returns:
            ``outputs``, which begin with those of `WHOLE`: tokens int64 [B, T], and how many are valid int64 [B].

        Raises:
            UserError: the tokens are not those of the codebook, or ONNX Runtime fails.
        """
        found = self.run(session, [*outputs], {"waveform": waveform, "samples": samples})
        tokens, frames = found[:2]
        of_whole_numbers = tokens.dtype == frames.dtype == np.int64 and tokens.ndim == 2 and len(tokens) == len(samples)
        if not of_whole_numbers or frames.shape != samples.shape or not self._in_range(tokens, frames):
            raise UserError(
                f"{self.source} gives no tokens from 0 to {self.metadata.num_tokens - 1}; export it again.", "model"
            )
        return found

    def _in_range(self, tokens: np.ndarray, frames: np.ndarray) -> bool:
        counted = bool(((frames >= 0) & (frames <= tokens.shape[1])).all())
        return counted and (not tokens.size or bool(tokens.min() >= 0 and tokens.max() < self.metadata.num_tokens))

    def run(
        self, session: onnxruntime.InferenceSession, outputs: list[str], feed: dict[str, np.ndarray]
    ) -> list[np.ndarray]:
        """Run one of the sessions on the device.

        Raises:
            UserError: ONNX Runtime fails.
        """
        try:
            if self.number is None:
                return session.run(outputs, feed)
            return run_bound(session, outputs, feed, "cuda", self.number)
        except RuntimeError as error:  # ONNX Runtime's: the graph divides by a length of its own, or memory is gone
            raise UserError(f"{self.source} fails in ONNX Runtime ({reason(error)}).", "model") from None

    def padded(self, waveforms: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The inputs for float32 [N] each, padded to a length that suits the device."""
        longest = max(map(len, waveforms))
        return padded(waveforms, longest if self.number is None else bucket(longest))
