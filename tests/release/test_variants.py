"""Smaller graphs beside the exported one: what they hold, what is measured, and which are refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.codewords import spread_codebook
from wav2tok.audio import decode
from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.config.schema import Config, Export
from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings, Splits
from wav2tok.errors import UserError
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.ranking import mrr_map
from wav2tok.model.wav2tok import create
from wav2tok.release import variants
from wav2tok.release.export import write_onnx
from wav2tok.tokenizer.locate import located
from wav2tok.tokenizer.tokenizer import Tokenizer

BOTH = Export(variants=("fp16", "int8"), max_loss=0.5)


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tiny_split: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported graph and its variants, with what was measured."""
    out = tmp_path_factory.mktemp("export")
    shutil.copy(tiny_model / "tokenizer.onnx", out)
    (out / "rows.json").write_text(json.dumps(variants.write(out, tiny_split, BOTH, 0)))
    return out


def rows(folder: Path) -> dict[str, dict]:
    return {row["kind"]: row for row in json.loads((folder / "rows.json").read_text())}


def test_variants_are_smaller_and_say_what_they_are(folder: Path) -> None:
    whole = Tokenizer(folder, "cpu")
    assert whole.metadata.variant is whole.metadata.variant_of is None
    for kind in ("fp16", "int8"):
        chosen = Tokenizer.from_pretrained(folder, "cpu", variant=kind)
        assert (chosen.metadata.variant, chosen.metadata.variant_of) == (kind, whole.identity)
        assert chosen.identity == Tokenizer(folder / f"tokenizer.{kind}.onnx", "cpu").identity != whole.identity
        assert np.array_equal(chosen.codebook, whole.codebook)
        assert dataclasses.asdict(chosen.metadata) | {"codebook": 0, "variant": None, "variant_of": None} == (
            dataclasses.asdict(whole.metadata) | {"codebook": 0}
        )


@pytest.mark.parametrize(
    ("kind", "encoder"),
    [
        ("mfcc", {"kind": "lstm"}),
        ("mfcc", {"kind": "sru"}),
        ("logmel", {"kind": "transformer", "heads": 2, "ffn": 32}),
        ("logmel", {"kind": "transformer", "heads": 2, "ffn": 32, "tiled": True}),
        ("logmel", {"kind": "linear", "dim": 144}),
    ],
)
def test_only_learned_layers_are_converted(
    tiny_config: Config, tmp_path: Path, generator: torch.Generator, kind: str, encoder: dict
) -> None:
    values = to_dict(tiny_config)
    values["features"]["kind"] = kind
    values["encoder"] |= encoder
    config = from_dict(values)
    model = create(config)
    wave = spread_codebook(model, generator).numpy()
    write_onnx(model, config, tmp_path / "tokenizer.onnx")
    before = onnx.load(str(tmp_path / "tokenizer.onnx")).graph
    front_end = [n.SerializeToString() for n in before.node if n.op_type == "MatMul" and "/encoder/" not in n.name]
    exact = np.concatenate(Tokenizer(tmp_path, "cpu").encode_frames(wave, 8000))
    assert len(set(exact.tolist())) > 3
    for name, operator in (("int8", "quantized"), ("fp16", "Cast")):
        assert variants.convert(tmp_path / "tokenizer.onnx", tmp_path / f"tokenizer.{name}.onnx", name)
        after = onnx.load(str(tmp_path / f"tokenizer.{name}.onnx")).graph
        assert len(front_end) >= 2  # the transform and the codewords
        kept = [n.SerializeToString() for n in after.node if n.op_type == "MatMul" and "/encoder/" not in n.name]
        assert kept[: len(front_end)] == front_end
        assert any(operator in text for n in after.node for text in (n.op_type, *n.input))
        tokens = np.concatenate(Tokenizer(tmp_path, "cpu", variant=name).encode_frames(wave, 8000))
        assert np.mean(tokens == exact) > (0.99 if name == "fp16" else 0.8)


def test_half_precision_keeps_the_tokens_of_long_recordings_and_of_every_batch(folder: Path) -> None:
    rng = np.random.default_rng(0)
    time = np.arange(8000 * 140) / 8000
    wave = 0.3 * np.sin(2 * np.pi * 300 * time * (1 + 0.02 * np.sin(time))) + 0.01 * rng.standard_normal(len(time))
    wave = wave.astype(np.float32)
    whole = Tokenizer(folder, "cpu").encode_frames([wave], 8000)[0]
    for kind, least in (("fp16", 0.99), ("int8", 0.8)):
        tokenizer = Tokenizer(folder, "cpu", variant=kind)
        assert np.mean(tokenizer.encode_frames([wave], 8000)[0] == whole) > least
        short = [wave[i : i + 4000] for i in range(0, 80000, 4000)]
        alone = [tokenizer.encode_frames([one], 8000)[0] for one in short]
        together = tokenizer.encode_frames(short, 8000)
        assert np.mean(np.concatenate(alone) == np.concatenate(together)) > least


def test_what_is_measured_is_what_the_graphs_do(folder: Path, tiny_split: Path) -> None:
    test = audios_bin.read(tiny_split).test
    waves = [decode.read(path, 8000) for path in test.paths]
    right = [[one.label == other.label and one != other for other in test] for one in test]
    others = [[one != other for other in test] for one in test]
    for kind, row in rows(folder).items():
        graph = folder / ("tokenizer.onnx" if kind == "float32" else f"tokenizer.{kind}.onnx")
        strings = Tokenizer(graph, "cpu").encode(waves, 8000)
        scores = mrr_map(edit_distances(strings, strings), np.array(right), np.array(others))
        assert (row["mrr"], row["map"]) == scores
        assert row["bytes"] == graph.stat().st_size
        assert row["speed"] > 1
    exact = rows(folder)["float32"]
    for kind in ("fp16", "int8"):
        row = rows(folder)[kind]
        assert row["written"] is True
        assert row["mrr_loss"] == pytest.approx(exact["mrr"] - row["mrr"])
        assert row["map_loss"] == pytest.approx(exact["map"] - row["map"])
        assert 0.8 < row["agreement"] <= 1


def test_a_variant_that_loses_too_much_is_not_written(
    tiny_model: Path, tiny_split: Path, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(tiny_model / "tokenizer.onnx", tmp_path)

    def ruined(model: onnx.ModelProto) -> onnx.ModelProto:
        """The real variant, with all weights of the encoder's last layer at 0: every token is the same."""
        made = real(model)
        assert made is not None
        for tensor in made.graph.initializer:
            if tensor.name.endswith("_fp16"):
                tensor.CopyFrom(onnx.numpy_helper.from_array(0 * onnx.numpy_helper.to_array(tensor), tensor.name))
        return made

    real = variants._fp16
    monkeypatch.setattr(variants, "_fp16", ruined)
    exact, row = variants.write(tmp_path, tiny_split, Export(variants=("fp16",), max_loss=0.02), 0)
    assert not (tmp_path / "tokenizer.fp16.onnx").exists()
    assert row["written"] is False
    assert max(exact["mrr"] - row["mrr"], exact["map"] - row["map"]) > 0.02
    assert row["why"].startswith("it loses 0.")
    assert row["why"].endswith("export.max_loss is 0.02")
    assert "not written" in lines[-1]


def test_recordings_without_classes_are_asked_for_by_noisy_copies(
    tiny_model: Path, tiny_split: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_model / "tokenizer.onnx", tmp_path)
    parts = audios_bin.read(tiny_split)
    audios_bin.write(tmp_path / "list.bin", Splits(Recordings(parts.train.paths), None, Recordings(parts.test.paths)))
    exact, row = variants.write(tmp_path, tmp_path / "list.bin", BOTH, 0)[:2]
    assert 1 / len(parts.test) < exact["mrr"] == exact["map"] <= 1
    assert row["written"] is True


def test_a_graph_without_learned_layers_has_no_variant(tiny_model: Path, tiny_split: Path, tmp_path: Path) -> None:
    model = onnx.load(str(tiny_model / "tokenizer.onnx"))
    for node in model.graph.node:
        node.name = node.name.replace("encoder", "other")
    onnx.save(model, str(tmp_path / "tokenizer.onnx"))
    result = variants.write(tmp_path, tiny_split, BOTH, 0)
    assert [row.get("written") for row in result] == [None, False, False]
    assert result[1]["why"] == "no layer of the graph can be converted"
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.onnx"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("int4", r"'int4' is not a kind of variant; the kinds are: fp16, int8\."),
        ("fp16", r"holds no tokenizer\.fp16\.onnx; use the model without a variant, or export it again with"),
        ("int8", r"tokenizer\.int8\.onnx is not a variant of tokenizer\.onnx beside it; export the model again\."),
    ],
)
def test_a_variant_that_is_not_there_is_refused(
    folder: Path, tiny_model: Path, tmp_path: Path, kind: str, message: str
) -> None:
    shutil.copy(tiny_model / "tokenizer.onnx", tmp_path / "tokenizer.onnx")
    shutil.copy(tiny_model / "tokenizer.onnx", tmp_path / "tokenizer.int8.onnx")
    with pytest.raises(UserError, match=message) as caught, located(tmp_path, kind):
        pass
    assert caught.value.parameter == "variant"
    (tmp_path / "tokenizer.int8.onnx").write_bytes(b"foreign")
    if kind == "int8":
        with pytest.raises(UserError, match=message), located(tmp_path, kind):
            pass


def test_a_variant_of_a_model_as_mlflow_keeps_it(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "tokenizer.onnx", tmp_path / "model.onnx")
    (tmp_path / "MLmodel").touch()
    (tmp_path / "extra").mkdir()
    shutil.copy(folder / "tokenizer.int8.onnx", tmp_path / "extra")
    with located(tmp_path, "int8") as (graph, _):
        assert graph == tmp_path / "extra" / "tokenizer.int8.onnx"
