"""What a graph carries beside its operators: names and metadata."""

import base64
from typing import Any

import numpy as np

METADATA_KEY = "wav2tok"


GRAPH_NAMES = ("tokenizer.onnx", "model.onnx")
"""What a folder's graph is called: by ``train``, ``export`` and ``pull``, and by MLflow."""


def pack(codebook: np.ndarray) -> dict[str, Any]:
    """A codebook [K, d] as JSON values, float32 in base64."""
    return {
        "shape": list(codebook.shape),
        "float32": base64.b64encode(codebook.astype("<f4").tobytes()).decode("ascii"),
    }


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """What `pack` was given."""
    return np.frombuffer(base64.b64decode(packed["float32"]), dtype="<f4").reshape(packed["shape"])
