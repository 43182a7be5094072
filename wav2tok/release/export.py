"""Export: one ONNX graph from waveform to tokens, and the check that it gives the same tokens as torch.

torch's newer exporter can freeze an LSTM's time axis at the example's length, so the older one is used, and parity is
checked at several lengths and batch sizes. A graph that differs is not written.
"""

import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.files import replacing
from wav2tok.model.codebook import assign
from wav2tok.model.frames import repeat_last
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.tokenizer.format import METADATA_KEY, Metadata
from wav2tok.tokenizer.tokenizer import Tokenizer

OPSET = 17
PARITY = ((1, 0.05), (1, 0.7301), (3, 1.0), (2, 2.7133), (5, 0.9), (1, 12.0))
"""(batch, seconds of its longest recording) at which tokens are compared."""
MIN_AGREEMENT = 0.999
"""Share of frames that must agree. One frame may always differ: between two tokens a rounding can decide."""


@dataclass(frozen=True)
class Parity:
    """How well graph and module agree: frames compared, frames that differ, and each batch's lengths in samples."""

    frames: int
    differing: int
    lengths: list[list[int]]

    @property
    def agreement(self) -> float:
        """Share of frames with the same token."""
        return 1 - self.differing / self.frames


class _Graph(nn.Module):
    """The module as it is exported, with what it takes to read a long recording in windows.

    ``statistics`` [1, 1 + 2 W] describe the whole recording: power of the loudest band, then mean and variance of the
    W measured features (`FrontEnd.measured`). If the power is 0, which is the default, each recording's own statistics
    are used. ``loudness`` [B, T] and ``features`` [B, T, W] (not normalised) are what the statistics are computed from;
    in the file they are inner values, where `wav2tok.tokenizer.loaded` cuts the graph.
    """

    def __init__(self, model: Wav2Tok) -> None:
        super().__init__()
        self.model = model

    def forward(self, waveform: Tensor, samples: Tensor, statistics: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        front_end, encoder = self.model.front_end, self.model.encoder
        width = front_end.measured
        frames = front_end.frame_count(samples)
        power = front_end.band_power(waveform, samples)
        loudness = front_end.loudness(power, frames)
        power_of_all = statistics[:, 0]
        loudest = torch.where(power_of_all > 0, power_of_all, loudness.amax(dim=1))
        spectrum = repeat_last(front_end.scale(power, frames, loudest), frames)
        if self.model.tile is not None:
            # Each tile is normalised by itself; of the whole recording only the loudest band matters.
            tokens = assign(self.model.embed(spectrum, frames), self.model.codebook)
            return tokens, encoder.steps(frames), loudness, spectrum
        features = front_end.differences(spectrum, frames, loudest)
        mean, variance = front_end.moments(features, frames)
        known = (power_of_all > 0)[:, None, None]
        mean = torch.where(known, statistics[:, None, 1 : 1 + width], mean)
        variance = torch.where(known, statistics[:, None, 1 + width :], variance)
        x = front_end.normalized(features, frames, mean, variance)
        return assign(encoder(x, frames), self.model.codebook), encoder.steps(frames), loudness, features


def write_onnx(
    model: Wav2Tok, config: Config, path: Path, epoch: int | None = None, score: float | None = None
) -> Parity:
    """Write ``model`` as an ONNX file with `Metadata`.

    Inputs are ``waveform`` [B, N] and ``samples`` [B], outputs ``tokens`` [B, T] and ``frames`` [B]. An optional third
    input and two named inner values are for recordings read in windows (`_Graph`).

    Args:
        epoch, score: which epoch the weights are of, and how well it did in validation.

    Returns:
        How well the graph agrees with the module.

    Raises:
        UserError: the graph's tokens differ from the module's; nothing is written.
    """
    import onnx

    model = model.cpu().eval()
    rate = config.data.sample_rate
    waveform = torch.randn(2, rate, generator=torch.Generator().manual_seed(0))
    none = torch.zeros(1, 1 + 2 * model.front_end.measured)
    with replacing(path) as temporary:
        with warnings.catch_warnings(), torch.no_grad():
            # The exporter warns that traced shapes may be frozen: that is what the parity check is for.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Graph(model).eval(),  # the exporter leaves the modules in the mode of this one
                (waveform, torch.tensor([rate, rate - 1000]), none),
                str(temporary),
                dynamo=False,
                opset_version=OPSET,
                input_names=["waveform", "samples", "statistics"],
                output_names=["tokens", "frames", "loudness", "features"],
                dynamic_axes={
                    "waveform": {0: "batch", 1: "time"},
                    "samples": {0: "batch"},
                    "tokens": {0: "batch", 1: "frame"},
                    "frames": {0: "batch"},
                    "loudness": {0: "batch", 1: "frame"},
                    "features": {0: "batch", 1: "frame"},
                },
            )
        graph = onnx.load(str(temporary))
        # An input with a default is optional; the values that windows need are not outputs of the graph.
        graph.graph.initializer.append(onnx.numpy_helper.from_array(none.numpy(), "statistics"))
        for output in list(graph.graph.output)[2:]:
            graph.graph.output.remove(output)
            graph.graph.value_info.append(output)
        kind = model.front_end.kind
        metadata = Metadata(
            sample_rate=rate,
            hop=config.features.hop,
            stack=config.encoder.stack,
            tile=model.tile,
            width=model.front_end.measured,
            num_tokens=config.codebook.num_tokens,
            config=to_dict(config),
            codebook=model.codebook.numpy(),
            epoch=epoch,
            score=score,
            # Files of the other kinds stay as earlier releases wrote them.
            reach=None if kind.origin is None else model.front_end.reach,
            pretrained=None if kind.origin is None else kind.origin.to_dict(),
        )
        onnx.helper.set_model_props(graph, {METADATA_KEY: metadata.to_json()})
        onnx.checker.check_model(graph)
        onnx.save(graph, str(temporary))
        return _agreeing(model, temporary, rate, path)


def copy_onnx(model: Wav2Tok, config: Config, graph: Path, path: Path) -> Parity:
    """Copy the graph that training wrote, byte for byte, so that what was evaluated is what is used.

    Returns:
        How well the graph agrees with ``model``, the checkpoint that it was made of.

    Raises:
        UserError: its tokens differ from the module's; nothing is written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(graph.read_bytes())
        return _agreeing(model.cpu().eval(), temporary, config.data.sample_rate, graph)


def _agreeing(model: Wav2Tok, graph: Path, rate: int, shown: Path) -> Parity:
    """`compare`, which must agree; ``shown`` names the graph in the error."""
    parity = compare(model, Tokenizer(graph, device="cpu"), rate)
    if parity.differing > 1 and parity.agreement < MIN_AGREEMENT:
        raise UserError(
            f"{shown}: {parity.differing} of {parity.frames} frames differ between torch and ONNX Runtime; "
            "not exported."
        )
    return parity


def compare(model: Wav2Tok, tokenizer: Tokenizer, rate: int) -> Parity:
    """Compare the tokens of torch and ONNX Runtime, frame by frame, on tones in noise at every shape of `PARITY`."""
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
            frame_count = model.front_end.frame_count(torch.from_numpy(samples))
            spectrum = model.front_end.spectrum(torch.from_numpy(waveform), torch.from_numpy(samples))
            embeddings, count = model.embed(spectrum, frame_count), model.encoder.steps(frame_count)
            expected = assign(embeddings, model.codebook)
        if not bool(embeddings[torch.arange(embeddings.shape[1])[None, :] < count[:, None]].isfinite().all()):
            # Where nothing is a number, torch and ONNX Runtime agree on the token 0.
            raise UserError("the model's embeddings are not finite numbers, so it is not exported; train it again.")
        tokens, valid = tokenizer.run(waveform, samples)
        if tokens.shape != tuple(expected.shape) or not np.array_equal(valid, count.numpy()):
            raise UserError(
                f"the exported graph returns {tokens.shape} tokens where torch returns {tuple(expected.shape)}; "
                "not exported."
            )
        inside = np.arange(tokens.shape[1])[None, :] < valid[:, None]
        frames += int(inside.sum())
        differing += int(((tokens != expected.numpy()) & inside).sum())
        lengths.append(samples.tolist())
    return Parity(frames, differing, lengths)


def parity_report(parity: Parity) -> dict[str, Any]:
    """``parity`` as JSON values."""
    return asdict(parity) | {"agreement": parity.agreement}
