"""The exported graph against the module it came from, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from tests.codewords import spread_codebook
from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.model.wav2tok import create
from wav2tok.release.export import PARITY, compare, parity_report, write_onnx
from wav2tok.tokenizer.format import METADATA_KEY, Metadata
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("kind", "stack"), [("mfcc", 2), ("logmel", 2), ("stft", 2), ("pitch", 2), ("mfcc", 1), ("mfcc", 3)]
)
def test_the_graph_gives_the_tokens_of_the_module(
    tiny_config: Config, tmp_path: Path, kind: str, stack: int, generator: torch.Generator
) -> None:
    values = to_dict(tiny_config)
    values["features"]["kind"] = kind
    values["encoder"]["stack"] = stack
    config = from_dict(values)
    model = create(config)
    wave = spread_codebook(model, generator)
    parity = write_onnx(model, config, tmp_path / "t.onnx")
    assert len(parity.lengths) == len(PARITY)
    assert [len(lengths) for lengths in parity.lengths] == [batch for batch, _ in PARITY]
    assert parity.frames == sum(n // (128 * stack) + 1 for lengths in parity.lengths for n in lengths) > 450
    assert parity.agreement >= 0.999
    tokens = Tokenizer(tmp_path / "t.onnx", "cpu").encode(wave.numpy(), 8000)
    assert len(set(np.concatenate(tokens).tolist())) > 3


def test_the_trained_graph_agrees_with_its_checkpoint(tiny_model: Path) -> None:
    model, config, _ = checkpoint.load(tiny_model)
    parity = compare(model, Tokenizer.from_pretrained(tiny_model, "cpu"), config.data.sample_rate)
    assert parity.agreement >= 0.999
    report = parity_report(parity)
    assert report == json.loads(json.dumps(report))
    assert report["agreement"] == 1 - report["differing"] / report["frames"]


def test_another_models_graph_does_not_agree(tiny_model: Path, tiny_split: Path) -> None:
    """The comparison can fail."""
    model, config, _ = checkpoint.load(tiny_model, "untrained")
    assert compare(model, Tokenizer.from_pretrained(tiny_model, "cpu"), config.data.sample_rate).agreement < 0.9


def test_metadata_say_what_it_takes_to_use_the_graph(tiny_model: Path, tiny_config: Config) -> None:
    properties = {p.key: p.value for p in onnx.load(str(tiny_model / "tokenizer.onnx")).metadata_props}
    about = json.loads(properties[METADATA_KEY])
    assert (about["sample_rate"], about["hop"], about["num_tokens"]) == (8000, 128, 8)
    assert from_dict(about["config"]) == tiny_config
    info = checkpoint.peek(tiny_model / "wav2tok_best.safetensors")
    assert (about["epoch"], about["score"]) == (info["best_epoch"], info["best"])
    # Graphs written by earlier releases stay readable as long as these keys stay.
    assert list(about) == ["sample_rate", "hop", "stack", "tile", "width", "num_tokens", "config", "codebook", "epoch",
                           "score"]  # fmt: skip
    read = Metadata.from_json(properties[METADATA_KEY])
    assert read.to_json() == properties[METADATA_KEY]
    assert (read.sample_rate, read.n_fft) == (8000, 256)


def test_metadata_without_epoch_and_score_do_not_name_them() -> None:
    metadata = Metadata(8000, 128, 2, None, 24, 4, {"features": {"n_fft": 256}}, np.ones((4, 3), np.float32))
    assert not {"epoch", "score"} & set(json.loads(metadata.to_json()))
    assert Metadata.from_json(metadata.to_json()).epoch is None


@pytest.mark.parametrize(
    ("change", "message"), [({"format": 2}, "newer wav2tok"), ({"tile": ...}, "older wav2tok"), ({"new": 1}, None)]
)
def test_metadata_of_another_release(change: dict[str, object], message: str | None) -> None:
    metadata = Metadata(8000, 128, 2, None, 24, 4, {"features": {"n_fft": 256}}, np.ones((4, 3), np.float32))
    values = {key: value for key, value in (json.loads(metadata.to_json()) | change).items() if value is not ...}
    if message is None:
        assert Metadata.from_json(json.dumps(values)).hop == 128
    else:
        with pytest.raises(ValueError, match=message):
            Metadata.from_json(json.dumps(values))


def test_the_same_model_gives_the_same_file(tiny_model: Path, tmp_path: Path) -> None:
    """The identity of an index depends on it."""
    model, config, _ = checkpoint.load(tiny_model)
    for name in ("a", "b"):
        write_onnx(model, config, tmp_path / f"{name}.onnx")
    assert Tokenizer(tmp_path / "a.onnx", "cpu").identity == Tokenizer(tmp_path / "b.onnx", "cpu").identity


def test_a_graph_that_differs_is_not_written(tiny_model: Path, tmp_path: Path) -> None:
    """A module whose tokens depend on a number that tracing freezes."""
    model, config, _ = checkpoint.load(tiny_model)

    class Frozen(torch.nn.Module):
        def __init__(self, encoder: torch.nn.Module) -> None:
            super().__init__()
            self.encoder, self.steps = encoder, encoder.steps

        def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            return self.encoder(features, lengths).roll(int(features.shape[1]), 2)

    model.encoder = Frozen(model.encoder)  # type: ignore[assignment]
    with pytest.raises(UserError, match="not exported"):
        write_onnx(model, config, tmp_path / "t.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.promise("Weights that are NaN", "They are never exported; NaN agrees with nothing.")
@pytest.mark.parametrize("where", ["codebook", "encoder"])
def test_weights_that_are_no_numbers_are_never_exported(tiny_model: Path, tmp_path: Path, where: str) -> None:
    """torch and ONNX Runtime would agree on all frames: NaN is nearest to the token 0 in both."""
    model, config, _ = checkpoint.load(tiny_model)
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    with torch.no_grad():
        (model.codebook if where == "codebook" else next(model.encoder.parameters())).fill_(float("nan"))
    if where == "encoder":
        with pytest.raises(UserError, match="embeddings are not finite numbers"):
            write_onnx(model, config, tmp_path / "t.onnx")
    else:
        with pytest.raises(UserError, match="codebook"):
            write_onnx(model, config, tmp_path / "t.onnx")
    best = ModelFolder(folder).best(config.train.name)
    checkpoint.save(best, model, config, checkpoint.peek(best))
    with pytest.raises(UserError, match="holds numbers that are not finite"):
        checkpoint.load(folder)
    assert not (tmp_path / "t.onnx").exists()


def foreign(path: Path) -> Path:
    """A valid ONNX file that has nothing to do with this project."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def test_a_foreign_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a tokenizer of wav2tok"):
        Tokenizer(foreign(tmp_path / "foreign.onnx"), "cpu")


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x07"])
def test_what_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.onnx"):
        Tokenizer(tmp_path / "x.onnx", "cpu")
