"""A recording for the page, as data addresses: its sound and its spectrogram."""

import base64
import io

import matplotlib
import numpy as np
import soundfile
import torch
import torchaudio
from PIL import Image

from wav2tok.audio import decode

# Every browser plays MP3, it is a quarter of the size of FLAC, and equal samples give equal bytes; libsndfile's OGG is
# as small but contains a random serial number. A libsndfile that was built without MP3 writes FLAC.
FORMAT, SUBTYPE, MIME = (
    ("MP3", "MPEG_LAYER_III", "audio/mpeg")
    if "MP3" in soundfile.available_formats()
    else ("FLAC", "PCM_16", "audio/flac")
)
SECONDS = 10.0
"""Longer recordings are cut here."""
RATES = (8000, 11025, 12000, 16000)
"""The rates of a player, Hz, which are rates of MP3: the highest that is not above that of the recordings."""
_BANDS, _COLUMNS, _DECIBELS = 64, 480, 70.0
_QUIET = -50.0
"""A band below this many decibels counts as silence and stays dark."""


def head(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """The part of float32 [N] that is played and drawn."""
    return waveform[: round(SECONDS * sample_rate)]


def encoded(waveform: np.ndarray, sample_rate: int) -> str:
    """float32 [N] as an audio file in base64."""
    rate = max(rate for rate in RATES if rate <= max(sample_rate, RATES[0]))
    file = io.BytesIO()
    samples = np.clip(decode.resample(waveform, sample_rate, rate), -1.0, 1.0)
    soundfile.write(file, samples, rate, format=FORMAT, subtype=SUBTYPE)
    return base64.b64encode(file.getvalue()).decode("ascii")


def address(waveform: np.ndarray, sample_rate: int) -> str:
    """float32 [N] as the address of an audio element."""
    return f"data:{MIME};base64,{encoded(waveform, sample_rate)}"


def spectrogram(waveform: np.ndarray, sample_rate: int) -> str:
    """The log-mel power of float32 [N] as the address of an image, low bands at the bottom."""
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
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
