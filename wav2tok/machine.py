"""The machine that computes: what a model's passport and a measured number say of it."""

import os
import platform
from pathlib import Path

import torch


def _processor() -> str:
    """The model name of the processor; the architecture if the system gives no name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def memory(device: torch.device) -> float:
    """Bytes of memory that a process may use on a device; infinite where the system does not say.

    On the CPU it is that of the machine, or of the container if it has less.
    """
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    if not hasattr(os, "sysconf"):
        return float("inf")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text(encoding="ascii").strip() if limit.is_file() else "max"
    own = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(own, float(text)) if text.isdigit() else own


def describe(device: torch.device) -> dict[str, str | int | float]:
    """Processor, memory and versions, and the GPU if ``device`` is one; nothing that identifies this machine.

    ``cores`` are those that this process may use. ``memory_gib`` is that of the machine, even if a container may use
    less; it is omitted where the system does not report it (Windows). ``float32_products`` is torch's setting for
    matrix products: ``highest`` computes in float32, the others allow TF32 or bfloat16 inside.
    """
    import onnxruntime

    facts: dict[str, str | int | float] = {
        "processor": _processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "torch_threads": torch.get_num_threads(),
    }
    if hasattr(os, "sysconf"):
        facts["memory_gib"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    facts |= {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "onnxruntime": onnxruntime.__version__,
        "float32_products": torch.get_float32_matmul_precision(),
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["gpu_memory_gib"] = round(torch.cuda.get_device_properties(device).total_memory / 2**30, 1)
    return facts
