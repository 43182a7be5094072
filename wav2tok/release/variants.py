"""Smaller and faster forms of an exported graph, and what they cost: MRR and MAP on test recordings, speed, bytes.

- ``int8``: the encoder's matrix products and LSTMs in 8 bits, by ONNX Runtime's dynamic quantisation. The input of a
  layer is scaled by the largest value of its batch, so a token can depend on what else is in the batch.
- ``fp16``: the weights of the encoder and of a pretrained network in half precision. They are widened when the graph is
  loaded, so the file is smaller, and nothing is faster.

The front end and the choice of the nearest codeword stay in float32: spectra span 80 dB, and codewords are close.
"""

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wav2tok.audio import decode
from wav2tok.config.schema import Export
from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings
from wav2tok.corpus.splits import sample_subset
from wav2tok.files import replacing
from wav2tok.matching import deduplicate
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.ranking import mrr_map
from wav2tok.progress import log
from wav2tok.tokenizer.format import GRAPH_NAMES, METADATA_KEY, Metadata, identity, variant_file
from wav2tok.tokenizer.graph import properties
from wav2tok.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from onnx import ModelProto

ENCODER, NETWORK = "/encoder/", "/network/"
"""In the names of the nodes that the exporter makes of `Wav2Tok.encoder`, and of a pretrained network."""
LARGE = 64
"""Numbers in a weight that is worth storing in half precision."""
MOST_HALF = 65504.0
"""The largest number in half precision."""
NOISE = 0.1
"""Amplitude of the noise in a noisy copy: 20 dB below the recording."""
ROUNDS = 2
"""Timed passes, of which the faster one counts: other processes only slow down."""


@dataclass(frozen=True)
class Figures:
    """What a graph does on test recordings.

    Attributes:
        mrr, map: of retrieval by edit distance. Where no two recordings are of a class, each is asked for by a noisy
            copy of it.
        bytes: size of the file.
        speed: seconds of audio per second.
    """

    mrr: float
    map: float
    bytes: int
    speed: float


def write(folder: Path, data: Path, settings: Export, seed: int) -> list[dict[str, Any]]:
    """Write the variants of ``folder/tokenizer.onnx`` that ``settings`` names, but for those that lose too much.

    Args:
        data: an ``audios.bin``, on whose test recordings they are measured.

    Returns:
        A row for the graph itself, whose kind is "float32", and one for each variant, as JSON values: its kind, whether
        it was written, and if not why; its `Figures`, what it loses, and the share of frames with the graph's token.

    Raises:
        UserError: recordings that cannot be read.
    """
    graph = folder / GRAPH_NAMES[0]
    tokenizer = Tokenizer(graph, device="cpu")
    recordings = sample_subset(audios_bin.read(data).test, settings.recordings, seed)
    waves = [decode.read(path, tokenizer.sample_rate) for path in recordings.paths]
    exact, tokens = _measure(tokenizer, graph, recordings, waves)
    rows: list[dict[str, Any]] = [{"kind": "float32", "recordings": len(recordings)} | asdict(exact)]
    for kind in settings.variants:
        path = folder / variant_file(kind)
        if not convert(graph, path, kind):
            rows.append({"kind": kind, "written": False, "why": "no layer of the graph can be converted"})
            continue
        figures, own = _measure(Tokenizer(path, device="cpu"), path, recordings, waves)
        loss = {"mrr_loss": exact.mrr - figures.mrr, "map_loss": exact.map - figures.map}
        same = float(np.mean(np.concatenate(own) == np.concatenate(tokens)))
        row = {"kind": kind, "written": True} | asdict(figures) | loss | {"agreement": same}
        worst = max(loss.values())
        if not worst <= settings.max_loss:
            path.unlink()
            why = f"it loses {worst:.4f} of {'MRR' if worst == loss['mrr_loss'] else 'MAP'}, and export.max_loss is "
            row |= {"written": False, "why": why + f"{settings.max_loss:g}"}
        rows.append(row)
        text = f"MRR {figures.mrr:.3f} ({-loss['mrr_loss']:+.3f}), MAP {figures.map:.3f} ({-loss['map_loss']:+.3f})"
        size = f"{figures.bytes / exact.bytes:.0%} of the size, {figures.speed / exact.speed:.1f} times the speed"
        log.info(f"{kind}: {text}, {size}" + ("" if row["written"] else f"; not written: {row['why']}"))
    return rows


def _measure(
    tokenizer: Tokenizer, graph: Path, recordings: Recordings, waves: Sequence[np.ndarray]
) -> tuple[Figures, list[np.ndarray]]:
    """The figures of a graph, and its tokens, int64 [T] each."""
    rate = tokenizer.sample_rate
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        frames = tokenizer.encode_frames(waves, rate)
        seconds.append(time.perf_counter() - start)
    strings = [deduplicate(tokens) for tokens in frames]
    itself = np.eye(len(strings), dtype=bool)
    queries, relevant, candidates = strings, itself & False, ~itself
    if recordings.classes is not None:
        classes, groups = np.array(recordings.classes), np.array(recordings.groups)
        relevant, own = (classes[:, None] == classes) & ~itself, groups[:, None] == groups
        if (relevant & own).any():  # speakers with several takes of a word: those of others are right answers
            candidates = ~own
    if not (relevant & candidates).any():
        # Each recording is asked for by a noisy copy.
        rng = np.random.default_rng(0)
        levels = [NOISE * np.sqrt(np.mean(np.square(wave))) for wave in waves]
        noise = [level * rng.standard_normal(len(wave)) for level, wave in zip(levels, waves, strict=True)]
        queries = tokenizer.encode([wave + more for wave, more in zip(waves, noise, strict=True)], rate)
        relevant, candidates = itself, ~itself | itself
    mrr, mean_ap = mrr_map(edit_distances(queries, strings), relevant, candidates)
    speed = sum(map(len, waves)) / rate / min(seconds)
    return Figures(float(mrr), float(mean_ap), graph.stat().st_size, speed), frames


def convert(graph: Path, out: Path, kind: str) -> bool:
    """Write a variant of a graph; its metadata name its kind and the identity of the graph.

    Returns:
        Whether any layer could be converted. If not, nothing is written.
    """
    import onnx

    source = graph.read_bytes()
    converted = {"int8": _int8, "fp16": _fp16}[kind](onnx.load_model_from_string(source))
    if converted is None:
        return False
    about = Metadata.from_json(properties(source)[METADATA_KEY])
    about = dataclasses.replace(about, variant=kind, variant_of=identity(source))
    onnx.helper.set_model_props(converted, {METADATA_KEY: about.to_json()})
    onnx.checker.check_model(converted)
    with replacing(out) as temporary:
        onnx.save(converted, str(temporary))
    return True


def _int8(model: "ModelProto") -> "ModelProto | None":
    """The matrix products and LSTMs of the encoder in 8 bits; None if there are none."""
    import onnx
    from onnxruntime.quantization import quantize_dynamic

    kinds = ["MatMul", "LSTM"]
    weights = {tensor.name for tensor in model.graph.initializer}
    names = [
        node.name
        for node in model.graph.node
        if node.op_type in kinds and ENCODER in node.name and weights.intersection(node.input)
    ]
    if not names:
        return None
    # Otherwise it warns that the graph was not prepared: merged operators would hide the values that are cut at.
    onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(model, path, nodes_to_quantize=names, op_types_to_quantize=kinds)
        return onnx.load(str(path))


def _fp16(model: "ModelProto") -> "ModelProto | None":
    """The weights of encoder and pretrained network in half precision, widened when loaded; None if there are none."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    read = {name for node in graph.node if ENCODER in node.name or NETWORK in node.name for name in node.input}
    constants = {node.output[0]: node for node in graph.node if node.op_type == "Constant"}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    weights |= {name: node.attribute[0].t for name, node in constants.items() if node.attribute[0].name == "value"}
    halves = {}
    for name in sorted(read & weights.keys()):
        values = numpy_helper.to_array(weights[name])
        if values.dtype == np.float32 and values.size >= LARGE and np.abs(values).max() <= MOST_HALF:
            halves[name] = numpy_helper.from_array(values.astype(np.float16), f"{name}_fp16")
    if not halves:
        return None
    nodes = [
        helper.make_node("Cast", [half.name], [name], f"{name}_cast", to=TensorProto.FLOAT)
        for name, half in halves.items()
    ]
    nodes += [node for node in graph.node if not (node.op_type == "Constant" and node.output[0] in halves)]
    kept = [tensor for tensor in graph.initializer if tensor.name not in halves]
    for field, content in ((graph.node, nodes), (graph.initializer, [*kept, *halves.values()])):
        copies = [type(one).FromString(one.SerializeToString()) for one in content]
        del field[:]
        field.extend(copies)
    return model
