"""What several tests do: run a verb or uv, change a configuration, make a tune, find a free port."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wav2tok import cli
from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.config.schema import Config, Features


def wav2tok(patch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Run a verb in this process; it must succeed."""
    patch.setattr(sys, "argv", ["wav2tok", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code, arguments


def changed(config: Config, **parts: Mapping[str, object]) -> Config:
    """``config`` with keys of its sections changed; those of ``recipe`` go to the recipe in use."""
    values = to_dict(config)
    for part, keys in parts.items():
        (values["recipes"][config.train.recipe] if part == "recipe" else values[part]).update(keys)
    return from_dict(values)


def features(kind: str, **values: Any) -> Features:
    """Features of ``kind`` with these values, except where its pretrained network allows no others."""
    needed = {"speech": {"n_fft": 512, "hop": 1280}, "contour": {"n_fft": 2048, "hop": 512}}
    return Features(kind=kind, **values | needed.get(kind, {}))


def tune(
    notes: Sequence[float], seed: int, sample_rate: int, note_samples: int, harmonics: int, noise: float
) -> np.ndarray:
    """Notes in semitones over 220 Hz, each of ``note_samples``, with white noise of its own: float32 [N]."""
    phase = 2 * np.pi * 220 * np.arange(note_samples) / sample_rate
    tones = [sum(0.1 * np.sin(k * 2 ** (note / 12) * phase) for k in range(1, harmonics + 1)) for note in notes]
    hiss = noise * np.random.default_rng(seed).standard_normal(len(notes) * note_samples)
    return (np.concatenate(tones) + hiss).astype(np.float32)


def free_port() -> int:
    """A port of this machine at which nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def uv(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run uv of this environment or of the path; the test is skipped without it or without the package index."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which("uv", path=places)
    if program is None:
        pytest.skip("uv is not installed")
    done = subprocess.run([program, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode and re.search(r"[Ff]ailed to fetch|error sending request|dns error", done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    return done
