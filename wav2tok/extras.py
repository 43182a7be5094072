"""Optional packages: checked by name before work starts, so it does not fail in the middle."""

import importlib.util

from wav2tok.errors import UserError

TRAIN = ("torch", "torchaudio", "safetensors", "onnx", "pydantic", "yaml", "jinja2")
EXTRAS = {
    "train": TRAIN,
    "evaluate": (*TRAIN, "matplotlib", "numba", "pandas", "PIL", "python_stretch", "scipy", "sklearn"),
    "workflow": ("mlflow", "great_expectations", "dvc", "prefect"),
    "serve": ("fastapi", "httptools", "prometheus_client", "python_multipart", "uvicorn"),
    "live": ("sounddevice",),
    "server": ("psycopg",),
    "sign": ("model_signing",),
    "ray": ("pyarrow", "ray"),
    "cluster": ("ray", "prefect_ray"),
    "s3": ("boto3", "dvc_s3"),
}
"""The modules that each extra of ``pyproject.toml`` brings, with those of the extra that it builds on."""


def need(extra: str, *modules: str) -> None:
    """Check that the packages of an extra are installed.

    Args:
        extra: a key of `EXTRAS`.
        modules: what is used of it; by default all of it.

    Raises:
        UserError: one of the modules is not installed.
    """
    missing = [name for name in modules or EXTRAS[extra] if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f'{missing[0]} is not installed; install what this needs with: pip install "wav2tok[{extra}]"')
