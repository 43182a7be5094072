"""What a graph carries next to its operators (names and metadata), and the names of its files."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.untrusted import brief, parse_json

METADATA_KEY = "wav2tok"
FORMAT = 1
"""The version of the metadata. Version 1 is not named in the graph; a later one must add the key ``format``."""
GRAPH_NAMES = ("tokenizer.onnx", "model.onnx")
"""What a folder's graph is called: by ``train``, ``export`` and ``pull``, and by MLflow."""
VARIANTS = ("fp16", "int8")
"""The kinds of smaller graphs that an export may have beside the graph."""
CARD_FILE = "card.md"
"""The model card next to an exported graph."""
PASSPORT_FILE = "passport.json"
"""What the model was made of, and the digests of what lies beside it (`wav2tok.release.passport`)."""
SIGNATURE_FILE = "model.sig"
"""The signature of graph, card and passport (`wav2tok.release.signature`)."""
EXPORT_FILE = "export.json"
"""Next to an exported graph: whether the gate approved the model, and how well the graph agrees with torch."""


def variant_file(kind: str) -> str:
    """What a variant of an exported graph is called."""
    return f"{GRAPH_NAMES[0].removesuffix('.onnx')}.{kind}.onnx"


def identity(graph: bytes) -> str:
    """The first 16 digits of a graph's SHA-256, by which models are distinguished."""
    return hashlib.sha256(graph).hexdigest()[:16]


def identity_of(path: Path) -> str:
    """`identity` of the graph in a file.

    Raises:
        OSError: it cannot be read.
    """
    return identity(path.read_bytes())


def pack(codebook: np.ndarray) -> dict[str, Any]:
    """A codebook [K, d] as JSON values, float32 in base64."""
    return {
        "shape": list(codebook.shape),
        "float32": base64.b64encode(codebook.astype("<f4").tobytes()).decode("ascii"),
    }


def unpack(packed: Mapping[str, Any]) -> np.ndarray:
    """The codebook that `pack` was given, as float32 [K, d]."""
    return np.frombuffer(base64.b64decode(packed["float32"]), dtype="<f4").reshape(packed["shape"])


_RANGES: dict[str, tuple[int, int]] = {
    "sample_rate": (1_000, 768_000),
    "hop": (1, 65_536),
    "stack": (1, 256),
    "tile": (1, 2**40),
    "width": (1, 1_000_000),
    "num_tokens": (2, 65_536),
    "epoch": (0, 1_000_000),
    "reach": (0, 1_000_000),
}
"""What the whole numbers of `Metadata` can be."""
_OPTIONAL = frozenset({"tile", "epoch", "reach"})


@dataclass(frozen=True, eq=False)
class Metadata:
    """What it takes to use a graph; stored in it as JSON under `METADATA_KEY`.

    Attributes:
        sample_rate: Hz, of the graph's input.
        hop: samples from one feature frame to the next.
        stack: feature frames that make one token.
        tile: feature frames of a tile that the model normalises by itself; None if it reads recordings whole.
        width: features per frame whose mean and variance are measured.
        num_tokens: size K of the codebook.
        config: the parameters that the model was trained with, as JSON values.
        codebook: float32 [K, d], unit rows.
        epoch, score: which epoch the weights are of, and how well it did on the validation recordings; None if unknown.
        reach: feature frames on either side of one that its features depend on; None: half a window and 4 frames of
            differences.
        pretrained: ``name``, ``authors``, ``licence`` and ``source`` of the part of the graph that was not trained
            here; None if there is none.
        variant, variant_of: the kind of a variant (`VARIANTS`), and the `identity` of the graph that it was made of;
            None for a graph as it was exported.
    """

    sample_rate: int
    hop: int
    stack: int
    tile: int | None
    width: int
    num_tokens: int
    config: Mapping[str, Any]
    codebook: np.ndarray
    epoch: int | None = None
    score: float | None = None
    reach: int | None = None
    pretrained: Mapping[str, str] | None = None
    variant: str | None = None
    variant_of: str | None = None

    @property
    def n_fft(self) -> int:
        """Samples in a window of the transform."""
        return int(self.config["features"]["n_fft"])

    @property
    def margin(self) -> int:
        """Feature frames before and after those of interest that must be read for their features to be right."""
        return 4 + -(-self.n_fft // (2 * self.hop)) if self.reach is None else self.reach

    @property
    def context(self) -> int | None:
        """Feature frames on either side of a token that it depends on, if its recording's statistics are known.

        None: an encoder that reads all of the recording.
        """
        encoder = self.config["encoder"]
        if encoder["kind"] != "linear":
            return None
        return self.margin + self.stack * (1 + encoder.get("context", 0) * encoder.get("context_step", 1))

    def to_json(self) -> str:
        """The text that a graph holds; equal metadata give equal text."""
        values = vars(self) | {"codebook": pack(self.codebook)}
        for optional in ("epoch", "score", "reach", "pretrained", "variant", "variant_of"):
            if values[optional] is None:
                del values[optional]
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> "Metadata":
        """Read what `to_json` wrote, now or in an earlier release.

        Raises:
            ValueError: the text is of an older or a newer version than `FORMAT`, or its values cannot be right. The
                message follows the name of the graph.
        """
        try:
            values = parse_json(text)
        except ValueError as error:
            raise ValueError(f"holds metadata that is not JSON ({error}); export it again") from None
        if not isinstance(values, dict):
            raise ValueError("holds metadata that is not a JSON object; export it again")
        if values.pop("format", FORMAT) != FORMAT:
            raise ValueError("was exported by a newer wav2tok; update wav2tok")
        try:
            codebook = unpack(values["codebook"])
            known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
            metadata = cls(**known | {"codebook": codebook})
        except (KeyError, TypeError):
            raise ValueError("was exported by an older wav2tok; export it again") from None
        except ValueError:
            raise ValueError("holds a codebook that is damaged; export it again") from None
        wrong = metadata.wrong()
        if wrong is not None:
            raise ValueError(f"says that {wrong}, which no tokenizer of wav2tok does; export it again")
        return metadata

    def wrong(self) -> str | None:
        """What cannot be in these values, such as "hop is -1"; None if they can be of a tokenizer."""
        config = self.config if isinstance(self.config, Mapping) else {}
        features = config.get("features")
        values = {name: getattr(self, name) for name in _RANGES} | {
            "n_fft": features.get("n_fft") if isinstance(features, Mapping) else None
        }
        for name, (low, high) in (_RANGES | {"n_fft": (2, 65_536)}).items():
            value = values[name]
            if value is None and name in _OPTIONAL:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                return f"{name} is {brief(value)}"
        if self.score is not None and not isinstance(self.score, int | float):
            return f"score is {brief(self.score)}"
        if self.codebook.ndim != 2 or len(self.codebook) != self.num_tokens or not np.isfinite(self.codebook).all():
            return f"num_tokens is {self.num_tokens} with a codebook of shape {self.codebook.shape}"
        if self.pretrained is not None and not isinstance(self.pretrained, Mapping):
            return f"pretrained is {brief(self.pretrained)}"
        return None
