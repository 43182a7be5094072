"""The spectra of a set of recordings, computed once and stored on disk, so that loading a batch is a few reads."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wav2tok.audio import decode
from wav2tok.audio.ahead import Decoded, LongRecording, read_ahead
from wav2tok.audio.windows import Window, windows
from wav2tok.model.front_end import FrontEnd
from wav2tok.spectra.rows import Rows

BATCH_SAMPLES = 1 << 21
"""Samples whose spectra are computed at a time."""
CORE_FRAMES, MARGIN_FRAMES = 4096, 16
"""Frames of a long recording that are computed at a time; no frame of a spectrum depends on more than the margin."""


@dataclass(frozen=True)
class Segments:
    """Parts of recordings: segment i is ``frames[i]`` frames of recording ``recording[i]`` from frame ``start[i]`` on.

    All three are int64 [segments], on the CPU.
    """

    recording: Tensor
    start: Tensor
    frames: Tensor

    def __len__(self) -> int:
        return len(self.recording)

    def __getitem__(self, index: Tensor) -> "Segments":
        return Segments(self.recording[index], self.start[index], self.frames[index])

    def batches(self, frames_at_once: int = 40_000) -> list[Tensor]:
        """Positions of segments in batches of similar length, each within ``frames_at_once`` when padded."""
        order = torch.argsort(self.frames, stable=True)
        out: list[list[int]] = []
        for position, length in zip(order.tolist(), self.frames[order].tolist(), strict=True):
            if out and (len(out[-1]) + 1) * length <= frames_at_once:
                out[-1].append(position)
            else:
                out.append([position])
        return [torch.tensor(part) for part in out]


class SpectrumStore:
    """Spectra [T, bands] of recordings, stored one after the other.

    Attributes:
        frames: int64 [recordings], the length of each.
    """

    def __init__(self, rows: Rows, lengths: Sequence[int]) -> None:
        """``rows`` holds recordings of ``lengths`` frames."""
        self._rows = rows
        self.frames = torch.tensor(lengths)
        self._offsets = self.frames.cumsum(0) - self.frames

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, segments: Segments, *, pinned: bool = False) -> tuple[Tensor, Tensor]:
        """Spectra of segments: ([B, T, bands], frames [B]), on the CPU, padded with the last frame of each.

        Args:
            pinned: allocate page-locked memory, which a device can copy from asynchronously.
        """
        out = torch.empty(len(segments), int(segments.frames.max()), self._rows.width, pin_memory=pinned)
        firsts = self._offsets[segments.recording] + segments.start
        for row, first, count in zip(out.numpy(), firsts.tolist(), segments.frames.tolist(), strict=True):
            self._rows.read(first, row[:count])
            row[count:] = row[count - 1]
        return out, segments.frames

    def segments(self, most: int, recordings: Tensor | None = None) -> Segments:
        """Recordings (all by default) cut into segments of at most ``most`` frames, in order, covering all frames."""
        chosen = torch.arange(len(self)) if recordings is None else recordings
        count = -(-self.frames[chosen] // most)
        number = torch.arange(int(count.sum())) - torch.repeat_interleave(count.cumsum(0) - count, count)
        recording = torch.repeat_interleave(chosen, count)
        return Segments(recording, number * most, (self.frames[recording] - number * most).clamp_max(most))

    def clips(self, recordings: Tensor, places: Tensor, most: int) -> Segments:
        """A segment of at most ``most`` frames of each recording [B]; ``places`` [B] in [0, 1) says where it starts."""
        frames = self.frames[recordings]
        spare = (frames - most).clamp_min(0)
        return Segments(recordings, (places * (spare + 1)).long(), frames - spare)

    def heads(self, most: int) -> Segments:
        """The beginning of every recording, at most ``most`` frames."""
        return Segments(torch.arange(len(self)), torch.zeros_like(self.frames), self.frames.clamp_max(most))


def store_of(spectra: Iterable[np.ndarray], folder: Path | None, bands: int) -> SpectrumStore:
    """Store spectra, float32 [T, bands] each, on the disk of ``folder``; None means the temporary folder."""
    rows = Rows(folder, bands)
    lengths = []
    for spectrum in spectra:
        rows.write(spectrum)
        lengths.append(len(spectrum))
    return SpectrumStore(rows, lengths)


def build(paths: Sequence[str], front_end: FrontEnd, folder: Path | None, device: torch.device) -> SpectrumStore:
    """Decode recordings in threads and store their spectra on the disk of ``folder``.

    Raises:
        UnreadableError: for the first recording that cannot be read.
    """
    return fill(read_ahead(paths, front_end.sample_rate), front_end, folder, device)


@torch.inference_mode()
def fill(
    recordings: Iterable[Decoded], front_end: FrontEnd, folder: Path | None, device: torch.device
) -> SpectrumStore:
    """Store the spectra of the recordings from `wav2tok.audio.ahead.read_ahead`, computed in batches."""
    rows = Rows(folder, front_end.bands)
    lengths: list[int] = []
    waiting: list[np.ndarray] = []

    def flush() -> None:
        if not waiting:
            return
        samples = torch.tensor([len(w) for w in waiting])
        batch = torch.zeros(len(waiting), int(samples.max()))
        for row, wave in zip(batch, waiting, strict=True):
            row[: len(wave)] = torch.from_numpy(wave)
        frames = front_end.frame_count(samples).tolist()
        for spectrum, count in zip(front_end.spectrum(batch.to(device), samples.to(device)).cpu(), frames, strict=True):
            rows.write(spectrum[:count].numpy())
        lengths.extend(frames)
        waiting.clear()

    for recording in recordings:
        if isinstance(recording, decode.UnreadableError):
            raise recording
        if isinstance(recording, LongRecording):
            flush()
            lengths.append(_write_long(recording, front_end, rows, device))
            continue
        if (len(waiting) + 1) * max([len(recording), *map(len, waiting)]) > BATCH_SAMPLES:
            flush()
        waiting.append(recording)
    flush()
    return SpectrumStore(rows, lengths)


def _write_long(recording: LongRecording, front_end: FrontEnd, rows: Rows, device: torch.device) -> int:
    """Read a long recording in windows twice, for its loudest band and for its spectrum; returns its frames."""

    def powers() -> Iterator[tuple[Window, Tensor, Tensor]]:
        for window in windows(recording.blocks(), front_end.config.hop, CORE_FRAMES, MARGIN_FRAMES):
            wave = torch.from_numpy(window.waveform).to(device)[None]
            samples = torch.tensor([wave.shape[1]], device=device)
            yield window, front_end.band_power(wave, samples), front_end.frame_count(samples)

    begin, loudest = rows.count, torch.zeros(1, device=device)
    for window, power, _ in powers():
        loudest = torch.maximum(loudest, power[0, window.skip : window.skip + window.keep].max())
    for window, power, frames in powers():
        spectrum = front_end.scale(power, frames, loudest)
        rows.write(spectrum[0, window.skip : window.skip + window.keep].cpu().numpy())
    return rows.count - begin
