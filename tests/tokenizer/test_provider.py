"""What keeps ONNX Runtime from CUDA, and runs with bound inputs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from wav2tok.device import bucket, cuda_devices
from wav2tok.errors import UserError
from wav2tok.tokenizer import loaded, provider
from wav2tok.tokenizer.provider import cuda_problem, run_bound
from wav2tok.tokenizer.tokenizer import Tokenizer


def test_bound_runs_and_padding_to_a_bucket_change_no_token(
    tiny_model: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on CUDA, on the CPU: short recordings in batches, and one in windows."""
    time = np.arange(8000 * 140) / 8000
    song = (0.3 * np.sin(2 * np.pi * 300 * time * (1 + 0.02 * np.sin(time)))).astype(np.float32)
    noise = (0.01 * rng.standard_normal(len(song))).astype(np.float32)
    waves = [(song + noise)[start : start + length] for start, length in ((0, 3001), (9000, 12345), (0, len(song)))]
    plain = Tokenizer(tiny_model, "cpu")
    expected = plain.encode_frames(waves, 8000)
    bound = Tokenizer(tiny_model, "cpu")
    shapes = []

    def on_cpu(session, outputs, feed, device, number):  # type: ignore[no-untyped-def]
        assert (device, number) == ("cuda", 0)
        shapes.append(feed["waveform"].shape[1])
        return run_bound(session, outputs, feed, "cpu")

    monkeypatch.setattr(loaded, "run_bound", on_cpu)
    bound._graph.number = 0
    for got, wanted in zip(bound.encode_frames(waves, 8000), expected, strict=True):
        assert np.array_equal(got, wanted)
    assert len(shapes) > 3
    assert all(bucket(length) == length for length in shapes)


def test_what_is_missing_is_named(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr(loaded, "cuda_devices", lambda: 1)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [provider.CPU])
    with pytest.raises(
        UserError, match=r"device is 'cuda', but this ONNX Runtime is built for the CPU alone; uninstall"
    ):
        Tokenizer(tiny_model, "cuda")
    assert Tokenizer(tiny_model, "auto").provider == provider.CPU
    assert lines[-1].startswith(
        "device: cpu, although the driver sees a CUDA device: this ONNX Runtime is built for the"
    )
    lines.clear()
    assert Tokenizer(tiny_model, "cpu").provider == provider.CPU
    assert lines == []


def test_the_library_that_does_not_load_is_named() -> None:
    """With the real library of onnxruntime-gpu, on a machine without a driver."""
    if provider.CUDA not in onnxruntime.get_available_providers():
        pytest.skip("this is the package onnxruntime, which has no CUDA part")
    if cuda_devices():
        assert cuda_problem() is None
    else:
        assert "there is no NVIDIA driver (libcuda.so" in (cuda_problem() or "")


@pytest.mark.promise("A library that reports to its maker", "ONNX Runtime's telemetry is off, and leaves no file.")
def test_onnx_runtime_reports_nothing(tmp_path: Path) -> None:
    script = "import wav2tok; wav2tok.Tokenizer.from_pretrained('wav2tok:humming', 'cpu')"
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": str(root)}
    environment.pop("ORT_DISABLE_TELEMETRY")  # importing wav2tok has set it here
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert not list(tmp_path.rglob("*onnxruntime*"))
