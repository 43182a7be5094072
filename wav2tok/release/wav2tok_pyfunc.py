"""Loads a registered tokenizer as MLflow's ``python_function``. Registering copies this file into the model.

MLflow puts the folder of this file first on the path of Python. If the package itself lay there, a notebook that loads
a model and imports wav2tok later would get the model's part of it. So it lies one folder deeper, and is used only where
wav2tok is not installed.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

COPY = "copy"
"""The folder beside this file that holds the package."""


def _load_pyfunc(path: str) -> Any:
    """The model whose graph is the file ``path``; MLflow calls this."""
    if importlib.util.find_spec("wav2tok") is None:
        sys.path.append(str(Path(__file__).parent / COPY))
    from wav2tok.release.audio_model import AudioModel

    return AudioModel(path)
