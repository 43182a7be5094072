"""ONNX files read and cut without the package ``onnx``; that package is the oracle."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.utils import Extractor

from wav2tok.errors import UserError
from wav2tok.tokenizer import ready_made
from wav2tok.tokenizer.graph import cut, fields, greatest_similarity, properties
from wav2tok.tokenizer.tokenizer import Tokenizer

GRAPHS = [ready_made.FOLDER / "speech.onnx", ready_made.FOLDER / "humming.onnx"]


def extracted(model: bytes, output: str) -> bytes:
    """The same cut by the package ``onnx``."""
    whole = onnx.load_model_from_string(model)
    wanted = ("waveform", "samples", "statistics") if output == "features" else ("waveform", "samples")
    inputs = [value.name for value in whole.graph.input if value.name in wanted]
    return Extractor(whole).extract_model(inputs, [output]).SerializeToString()


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("output", ["loudness", "features"])
def test_a_cut_has_what_the_package_onnx_cuts(path: Path, output: str) -> None:
    content = path.read_bytes()
    ours, theirs = (onnx.load_model_from_string(part(content, output)) for part in (cut, extracted))
    onnx.checker.check_model(ours)
    for kind in ("node", "initializer", "input", "output"):
        one, other = (sorted(x.SerializeToString() for x in getattr(m.graph, kind)) for m in (ours, theirs))
        assert one == other
    assert ours.opset_import == theirs.opset_import
    assert properties(content) == {entry.key: entry.value for entry in ours.metadata_props}


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("seconds", [66.0, 150.0])
def test_tokens_of_long_recordings_are_those_of_the_cut_by_onnx(
    path: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(int(seconds))
    time = np.arange(int(seconds * 16000)) / 16000
    wave = 0.3 * np.sin(2 * np.pi * 200 * time * (1 + 0.05 * np.sin(time))) + 0.02 * rng.standard_normal(len(time))
    tokens = Tokenizer(path, "cpu").encode([wave.astype(np.float32)], 16000)[0]
    monkeypatch.setattr("wav2tok.tokenizer.loaded.cut", lambda model, output, floats: extracted(model, output))
    assert np.array_equal(tokens, Tokenizer(path, "cpu").encode([wave.astype(np.float32)], 16000)[0])
    assert len(set(tokens.tolist())) > 3


def test_a_graph_that_compares_no_similarity_with_the_greatest_has_none() -> None:
    node = helper.make_node("ArgMax", ["x"], ["tokens"], axis=1, keepdims=0)
    other = helper.make_node("ReduceMax", ["x"], ["most"], axes=[1])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "most")]
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, None)
    model = helper.make_model(helper.make_graph([node, other], "plain", ends[:1], [tokens, ends[1]]))
    assert greatest_similarity(model.SerializeToString()) is None


def branched() -> onnx.ModelProto:
    """``y`` and ``z`` of ``x``; an If reads ``double``, which is made outside of its branches."""

    def branch(name: str, sign: str) -> onnx.GraphProto:
        node = helper.make_node(sign, ["double"], [f"{name}_out"])
        return helper.make_graph(
            [node], name, [], [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [None])]
        )

    nodes = [
        helper.make_node("Add", ["x", "x"], ["double"]),
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node(
            "If", ["positive"], ["y"], then_branch=branch("then", "Abs"), else_branch=branch("else", "Neg")
        ),
        helper.make_node("Mul", ["x", "unused"], ["z"]),
    ]
    scalar = [
        helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (("zero", 0.0), ("unused", 3.0))
    ]
    ends = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, [None]) for n in names] for names in ("x", "yz")]
    graph = helper.make_graph(nodes, "branched", *ends, scalar)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_what_an_inner_graph_reads_from_outside_is_kept() -> None:
    part = cut(branched().SerializeToString(), "y")
    graph = onnx.load_model_from_string(part).graph
    assert [node.op_type for node in graph.node] == ["Add", "ReduceSum", "Greater", "If"]
    assert [value.name for value in graph.initializer] == ["zero"]
    session = onnxruntime.InferenceSession(part, providers=["CPUExecutionProvider"])
    for x, y in (([1.0, -0.5], [2.0, 1.0]), ([-1.0, 0.5], [2.0, -1.0])):
        assert session.run(None, {"x": np.array(x, np.float32)})[0].tolist() == y


@given(
    texts=st.dictionaries(st.text(min_size=1), st.text(max_size=300), max_size=5),
    numbers=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
    floats=st.lists(st.floats(width=32, allow_nan=False), max_size=3),
)
def test_fields_are_those_that_protobuf_writes(texts: dict[str, str], numbers: list[int], floats: list[float]) -> None:
    model = branched()
    helper.set_model_props(model, texts)
    model.graph.node[0].attribute.extend([helper.make_attribute("f", x) for x in floats])
    model.graph.node[0].attribute.extend([helper.make_attribute("i", x) for x in numbers])
    content = model.SerializeToString()
    assert properties(content) == texts
    assert b"".join(field.whole for field in fields(content)) == content
    assert onnx.load_model_from_string(cut(content, "z")).graph.node[0] == model.graph.node[4]
    attributes = [field for node in fields(next(f.value for f in fields(content) if f.number == 7)) if node.number == 1
                  for field in fields(node.value) if field.number == 5]  # fmt: skip
    assert len(attributes) == len(floats) + len(numbers) + 3


@settings(max_examples=300)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read_but_nothing_else(data: st.DataObject) -> None:
    content = bytearray(branched().SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        part = cut(bytes(content[: data.draw(st.integers(1, len(content)))]), "y")
    except ValueError:
        return
    assert b"".join(field.whole for field in fields(part)) == part


def test_a_graph_without_the_inner_values_is_refused_in_a_sentence(tmp_path: Path) -> None:
    model = onnx.load(str(GRAPHS[0]))
    del model.graph.value_info[:]
    onnx.save(model, str(tmp_path / "bare.onnx"))
    tokenizer = Tokenizer(tmp_path / "bare.onnx", "cpu")
    assert len(tokenizer.encode([np.zeros(16000, np.float32)], 16000)[0])
    with pytest.raises(
        UserError, match=r"bare\.onnx cannot read recordings longer than a minute \(the graph has no value"
    ):
        tokenizer.encode([np.zeros(16000 * 70, np.float32)], 16000)
    whole = GRAPHS[0].read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"half\.onnx cannot be loaded by ONNX Runtime .*; export it again\."):
        Tokenizer(tmp_path / "half.onnx", "cpu")


def test_a_long_recording_needs_no_package_onnx(tmp_path: Path) -> None:
    """In a process that cannot import it; `tests/test_wheel.py` does the same in an environment without it."""
    soundfile.write(tmp_path / "long.wav", 0.1 * np.random.default_rng(0).standard_normal(16000 * 70), 16000)
    shutil.copy(GRAPHS[0], tmp_path / "model.onnx")
    code = (
        "import sys; sys.modules['onnx'] = None; from wav2tok.cli import main; "
        "sys.argv = ['wav2tok', 'tokenize', 'long.wav', '--model', 'model.onnx', '--device', 'cpu']; main()"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b'"duration_s": 70.0' in done.stdout
