"""Export: one ONNX graph from waveform to tokens, and the proof that it gives the same tokens as torch.

torch's newer exporter can freeze an LSTM's time axis at the example's length, so the older one is used and parity is
checked at several lengths and batch sizes: a graph that differs anywhere is not written.
"""

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wav2tok.config import Config, to_dict
from wav2tok.errors import UserError
from wav2tok.files import replacing
from wav2tok.model import Wav2Tok
from wav2tok.tokenizer import METADATA_KEY, Tokenizer, pack

OPSET = 17
PARITY = ((1, 0.05), (1, 0.7301), (3, 1.0), (2, 2.7133), (5, 0.9), (1, 12.0))
"""(batch, seconds of its longest recording) at which tokens are compared."""
MIN_AGREEMENT = 0.999
"""Share of frames that must agree: a frame on the border of two tokens may fall either way by a rounding."""


@dataclass(frozen=True)
class Parity:
    """How well graph and module agree: over all frames, and the lengths in samples at which it was seen."""

    frames: int
    differing: int
    lengths: list[list[int]]

    @property
    def agreement(self) -> float:
        """Share of frames with the same token."""
        return 1 - self.differing / self.frames


class _Graph(nn.Module):
    """The module as it is exported; int64 lengths keep their width in the graph."""

    def __init__(self, model: Wav2Tok) -> None:
        super().__init__()
        self.model = model

    def forward(self, waveform: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        return self.model(waveform, samples)


def write_onnx(model: Wav2Tok, config: Config, path: Path, about: dict[str, Any] | None = None) -> Parity:
    """Write ``model`` as an ONNX file with inputs ``waveform`` [B, N], ``samples`` [B] and outputs ``tokens`` [B, T],
    ``frames`` [B]; its metadata holds the sampling rate, the number of tokens and the configuration.

    Args:
        about: further JSON values for the metadata.

    Returns:
        The parity that was seen.

    Raises:
        UserError: the graph's tokens differ from the module's; nothing is written.
    """
    import onnx

    model = model.cpu().eval()
    rate = config.data.sample_rate
    example = (torch.randn(2, rate, generator=torch.Generator().manual_seed(0)), torch.tensor([rate, rate - 1000]))
    with replacing(path) as temporary:
        with warnings.catch_warnings(), torch.no_grad():
            # The exporter warns that traced shapes may be frozen: that is what the parity check is for.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Graph(model).eval(),  # the exporter puts the module back into the mode that this one is in
                example,
                str(temporary),
                dynamo=False,
                opset_version=OPSET,
                input_names=["waveform", "samples"],
                output_names=["tokens", "frames"],
                dynamic_axes={
                    "waveform": {0: "batch", 1: "time"},
                    "samples": {0: "batch"},
                    "tokens": {0: "batch", 1: "frame"},
                    "frames": {0: "batch"},
                },
            )
        graph = onnx.load(str(temporary))
        values = {
            "sample_rate": rate,
            "hop": config.features.hop,
            "num_tokens": config.codebook.num_tokens,
            "config": to_dict(config),
            "codebook": pack(model.codebook.numpy()),
        } | (about or {})
        onnx.helper.set_model_props(graph, {METADATA_KEY: json.dumps(values)})
        onnx.checker.check_model(graph)
        onnx.save(graph, str(temporary))
        parity = compare(model, Tokenizer(temporary, device="cpu"), rate)
        if parity.agreement < MIN_AGREEMENT:
            raise UserError(
                f"{path}: {parity.differing} of {parity.frames} frames differ between torch and ONNX Runtime; "
                "not exported."
            )
    return parity


def compare(model: Wav2Tok, tokenizer: Tokenizer, rate: int) -> Parity:
    """Frame tokens of torch and ONNX Runtime on noise with tones, at every batch and length of `PARITY`."""
    rng = np.random.default_rng(0)
    frames = differing = 0
    lengths: list[list[int]] = []
    for batch, seconds in PARITY:
        longest = int(seconds * rate)
        samples = np.array([longest, *rng.integers(max(1, longest // 3), longest + 1, batch - 1)], dtype=np.int64)
        time = np.arange(longest) / rate
        tone = np.sin(2 * np.pi * rng.uniform(100, 1000, (batch, 1)) * time * (1 + 0.1 * np.sin(5 * time)))
        waveform = (0.3 * tone + 0.05 * rng.standard_normal((batch, longest))).astype(np.float32)
        with torch.inference_mode():
            expected, count = model(torch.from_numpy(waveform), torch.from_numpy(samples))
        got, got_count = tokenizer.run(waveform, samples)
        if got.shape != tuple(expected.shape) or not np.array_equal(got_count, count.numpy()):
            raise UserError(
                f"the exported graph returns {got.shape} tokens where torch returns {tuple(expected.shape)}; "
                "not exported."
            )
        inside = np.arange(got.shape[1])[None, :] < got_count[:, None]
        frames += int(inside.sum())
        differing += int(((got != expected.numpy()) & inside).sum())
        lengths.append(samples.tolist())
    return Parity(frames, differing, lengths)


def parity_report(parity: Parity) -> dict[str, Any]:
    """``parity`` as JSON values."""
    return asdict(parity) | {"agreement": parity.agreement}
