"""A recording for the page: a player and a spectrogram, both inside it."""

import base64
import io

import numpy as np
import soundfile

from wav2tok.audio import decode

# FLAC is lossless, every browser plays it, and the same samples give the same bytes; libsndfile's OGG is a quarter of
# the size but draws a serial number by chance.
FORMAT, MIME = "FLAC", "audio/flac"
SECONDS = 10.0
"""A longer recording is cut here, so that twelve of the noisiest ones stay below six megabytes."""
RATE = 16000
"""Hz of a player at most."""
_BANDS, _COLUMNS, _DECIBELS = 64, 480, 70.0
_QUIET = -50.0
"""Decibels of a band that are taken for silence, and stay dark."""


def head(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """The part of float32 [N] that is heard and drawn."""
    return waveform[: round(SECONDS * sample_rate)]


def player(waveform: np.ndarray, sample_rate: int) -> str:
    """An ``<audio>`` element that holds float32 [N]."""
    rate = min(sample_rate, RATE)
    file = io.BytesIO()
    samples = np.clip(decode.resample(waveform, sample_rate, rate), -1.0, 1.0)
    soundfile.write(file, samples, rate, format=FORMAT, subtype="PCM_16")
    return f'<audio controls preload="metadata" src="data:{MIME};base64,{_base64(file)}"></audio>'


def spectrogram(waveform: np.ndarray, sample_rate: int) -> str:
    """An ``<img>`` of the log-mel power of float32 [N], as wide as the recording is long, low bands at the bottom."""
    import matplotlib
    import torch
    import torchaudio
    from PIL import Image

    size = 2 ** round(np.log2(0.064 * sample_rate))
    hop = max(size // 8, -(-len(waveform) // _COLUMNS))
    bands = torchaudio.transforms.MelSpectrogram(
        sample_rate, n_fft=size, hop_length=hop, n_mels=_BANDS, pad_mode="constant"
    )
    with torch.inference_mode():
        power = bands(torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32))).numpy()
    level = 10 * np.log10(np.maximum(power, 1e-12))
    shade = np.clip((level - max(level.max(), _QUIET)) / _DECIBELS + 1, 0, 1)
    picture = Image.fromarray(np.round(255 * shade[::-1]).astype(np.uint8)).convert("P")
    picture.putpalette(matplotlib.colormaps["magma"](np.arange(256), bytes=True)[:, :3].tobytes())
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return f'<img alt="spectrogram" src="data:image/png;base64,{_base64(file)}">'


def _base64(file: io.BytesIO) -> str:
    return base64.b64encode(file.getvalue()).decode("ascii")
