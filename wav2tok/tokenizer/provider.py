"""Why ONNX Runtime cannot use CUDA here, and how a session runs on a CUDA device."""

import ctypes
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def cuda_problem() -> str | None:
    """Why ONNX Runtime cannot compute on CUDA here, with the way out; None if nothing is missing.

    It names CUDA as available where it is only built in, and falls back without an exception.
    """
    if CUDA not in onnxruntime.get_available_providers():
        return (
            "this ONNX Runtime is built for the CPU alone; uninstall onnxruntime, then install "
            '"onnxruntime-gpu[cuda,cudnn]"'
        )
    onnxruntime.preload_dlls()  # those that pip installed for torch or onnxruntime-gpu
    prefix, suffix = ("", "dll") if sys.platform == "win32" else ("lib", "so")
    folder = Path(onnxruntime.__file__).parent / "capi"
    try:
        for part in ("shared", "cuda"):
            ctypes.CDLL(str(folder / f"{prefix}onnxruntime_providers_{part}.{suffix}"), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        if "libcuda.so" in str(error):
            return f"there is no NVIDIA driver ({error}); install one, or give the container access to the device"
        return (
            f"ONNX Runtime is built for CUDA {onnxruntime.cuda_version or 'unknown'} and lacks a library of it "
            f'({error}); install "onnxruntime-gpu[cuda,cudnn]"'
        )
    return None


def run_bound(
    session: onnxruntime.InferenceSession,
    outputs: Sequence[str],
    feed: Mapping[str, np.ndarray],
    device: str,
    number: int = 0,
) -> list[np.ndarray]:
    """`session.run`, with inputs that are copied to a device once and outputs that are bound to the CPU's memory.

    Args:
        device: ``cuda`` or ``cpu``.
        number: of the device.
    """
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(value, device, number))
    for name in outputs:
        binding.bind_output(name, "cpu")
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()
