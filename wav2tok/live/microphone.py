"""The microphone, by PortAudio (the package sounddevice, ``wav2tok[live]``)."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from wav2tok.errors import UserError, reason
from wav2tok.extras import need
from wav2tok.progress import log

_BLOCK_SECONDS = 0.05
_WAITING = 200
"""Blocks that may wait while others are worked on: 10 s. Later ones are dropped, with a warning."""


@contextmanager
def microphone(device: str | None = None) -> Iterator[tuple[int, Iterator[np.ndarray]]]:
    """Open a microphone.

    Args:
        device: its number, or part of its name; by default the system's.

    Yields:
        Its sampling rate in Hz, and its samples as they come, float32 [n] each, without end.

    Raises:
        UserError: sounddevice or PortAudio is not installed, or there is no such microphone, or it does not work.
    """
    need("live")
    try:
        import sounddevice
    except OSError:
        raise UserError(
            "PortAudio is not installed, which sounddevice needs; install it with: apt install libportaudio2"
        ) from None
    blocks: queue.Queue[np.ndarray] = queue.Queue(_WAITING)
    lost = False

    def hear(samples: np.ndarray, count: int, time: Any, status: Any) -> None:
        # PortAudio's own thread: nothing here may wait.
        nonlocal lost
        try:
            blocks.put_nowait(samples[:, 0].copy())
        except queue.Full:
            lost = True
        lost = lost or bool(status.input_overflow)

    def heard() -> Iterator[np.ndarray]:
        nonlocal lost
        while True:
            try:
                block = blocks.get(timeout=1)
            except queue.Empty:
                if not stream.active:
                    raise UserError("the microphone was disconnected; connect it and start again.") from None
                continue
            if lost:
                log.warning("some sound was lost: this machine is too slow for this model, or too busy")
                lost = False
            yield block

    name: int | str | None = int(device) if device and device.isdecimal() else device
    try:
        rate = round(sounddevice.query_devices(name, "input")["default_samplerate"])
        stream = sounddevice.InputStream(
            rate, round(_BLOCK_SECONDS * rate), name, channels=1, dtype="float32", callback=hear
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        wanted = "no microphone works" if device is None else f"the microphone {device} does not work"
        raise UserError(
            f"{wanted} ({reason(error)}); python -m sounddevice lists what there is, or pipe sound in with --pcm."
        ) from None
    try:
        yield rate, heard()
    finally:
        stream.close()
