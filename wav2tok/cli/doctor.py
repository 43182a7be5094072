"""doctor: installed versions, devices and stores."""

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
    from importlib import metadata  # here, because it takes longer than the rest of the command line's start

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _onnxruntime(devices: int) -> None:
    """What ONNX Runtime is built for, what a session really uses, and what keeps it from a device."""
    import onnxruntime

    from wav2tok.errors import UserError
    from wav2tok.tokenizer import ready_made
    from wav2tok.tokenizer.provider import cuda_problem
    from wav2tok.tokenizer.tokenizer import Tokenizer

    typer.echo(f"ONNX Runtime: CUDA {getattr(onnxruntime, 'cuda_version', '') or 'not built in'}")
    typer.echo(f"ONNX Runtime providers built in: {', '.join(onnxruntime.get_available_providers())}")
    problem = cuda_problem() if devices else None
    if problem:
        typer.echo(f"problem: {problem}.")
    for model in ready_made.names()[:1]:
        try:
            typer.echo(f"a session of {model} uses: {Tokenizer(model, 'cuda' if devices else 'cpu').provider}")
        except UserError as error:
            typer.echo(f"problem: a session of {model} does not start: {error}")


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

        usable = "usable" if torch.cuda.is_available() else "not usable"
        cudnn = torch.backends.cudnn.version() or "not found"
        typer.echo(f"torch: CUDA {torch.version.cuda or 'not built in'}, cuDNN {cudnn}, {usable} here")
    if versions["onnxruntime-gpu"] or versions["onnxruntime"]:
        _onnxruntime(devices)
    if importlib.util.find_spec("mlflow"):
        from wav2tok.tracking import reachable, store

        typer.echo(f"MLflow store: {store.shown()}")
        why = reachable.problem(store.location(), store.database(store.location()), writing=True)
        if why is not None:
            typer.echo(f"problem: the MLflow store {why}; {store.WAYS}.")
    if versions["onnxruntime"] and versions["onnxruntime-gpu"]:
        typer.echo(
            "problem: onnxruntime and onnxruntime-gpu are both installed and overwrite each other; uninstall both, "
            "then install onnxruntime-gpu."
        )
    if devices and versions["torch"]:
        import torch

        if not torch.cuda.is_available():
            typer.echo(
                "problem: the driver sees a device that torch cannot use; the driver may be too old for torch's CUDA."
            )
