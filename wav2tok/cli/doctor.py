"""doctor: installed versions, devices and stores."""

import importlib.metadata
import importlib.util
import os
import platform

import typer

PACKAGES = (
    "torch",
    "torchaudio",
    "onnxruntime-gpu",
    "onnxruntime",
    "onnx",
    "numpy",
    "soundfile",
    "mlflow",
    "dvc",
    "prefect",
    "great-expectations",
    "fastapi",
    "sqlalchemy",
)
RUNTIMES = ("onnxruntime-gpu", "onnxruntime")
"""One of the two is installed, never both."""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def doctor() -> None:
    """Show versions, devices and stores, and report what does not fit together."""
    typer.echo(f"python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    versions = {name: _version(name) for name in PACKAGES}
    for name, version in versions.items():
        if version or name not in RUNTIMES or not any(versions[other] for other in RUNTIMES):
            typer.echo(f"  {name:20} {version or 'not installed'}")
    from wav2tok.device import cuda_devices

    devices = cuda_devices()
    typer.echo(f"CUDA devices that the driver sees: {devices}")
    if versions["torch"]:
        import torch

        typer.echo(
            f"torch: CUDA {torch.version.cuda or 'not built in'}, "
            f"{'usable' if torch.cuda.is_available() else 'not usable'} here"
        )
    if versions["onnxruntime-gpu"] or versions["onnxruntime"]:
        import onnxruntime

        typer.echo(f"ONNX Runtime providers built in: {', '.join(onnxruntime.get_available_providers())}")
    if importlib.util.find_spec("mlflow"):
        from wav2tok.tracking.store import connect

        typer.echo(f"MLflow store: {connect().get_tracking_uri()}")
    if versions["onnxruntime"] and versions["onnxruntime-gpu"]:
        typer.echo(
            "problem: onnxruntime and onnxruntime-gpu are both installed and overwrite each other; uninstall both, "
            "then install onnxruntime-gpu."
        )
    if devices and versions["onnxruntime"] and not versions["onnxruntime-gpu"]:
        typer.echo(
            "problem: the driver sees a device that this ONNX Runtime cannot use; uninstall onnxruntime, then install "
            "onnxruntime-gpu."
        )
    if devices and versions["torch"]:
        import torch

        if not torch.cuda.is_available():
            typer.echo(
                "problem: the driver sees a device that torch cannot use; the driver may be too old for torch's CUDA."
            )
