"""Loading a graph: on which device, from which file, with what in it."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wav2tok.device import cuda_devices
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.tokenizer.format import pack, unpack
from wav2tok.tokenizer.tokenizer import Tokenizer


def test_the_same_graph_on_another_device(tiny_model: Path, waves: list[np.ndarray]) -> None:
    original = Tokenizer.from_pretrained(tiny_model, "cpu", 1)
    other = original.on("cpu")
    assert other._graph.session is not original._graph.session
    assert (other.identity, other.source) == (original.identity, original.source)
    for found, tokens in zip(other.encode(waves, 16000), original.encode(waves, 16000), strict=True):
        np.testing.assert_array_equal(found, tokens)
    with pytest.raises(UserError, match="'cuda:99'"):
        original.on("cuda:99")


def test_a_pickled_copy_needs_no_file(tiny_model: Path, tmp_path: Path, waves: list[np.ndarray]) -> None:
    graph = Path(shutil.copy(tiny_model / "tokenizer.onnx", tmp_path / "graph.onnx"))
    original = Tokenizer.from_pretrained(graph, "cpu", threads=1)
    graph.unlink()
    copy = pickle.loads(pickle.dumps(original))
    assert repr(copy) == repr(original)
    assert str(graph) in repr(copy)
    assert original.identity in repr(copy)
    assert [s.tolist() for s in copy.encode(waves[:3], 8000)] == [s.tolist() for s in original.encode(waves[:3], 8000)]


def test_cuda_where_there_is_none_is_a_user_error(tiny_model: Path) -> None:
    if cuda_devices():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(UserError, match="no CUDA device"):
        Tokenizer.from_pretrained(tiny_model, "cuda")
    assert Tokenizer.from_pretrained(tiny_model, "auto").provider == "CPUExecutionProvider"
    with pytest.raises(UserError, match="'gpu'"):
        Tokenizer.from_pretrained(tiny_model, "gpu")


@pytest.mark.gpu
def test_cuda_gives_the_tokens_of_the_cpu(tiny_model: Path, tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    if not cuda_devices():
        pytest.skip("no CUDA device here")
    on_cuda = Tokenizer.from_pretrained(tiny_model, "cuda")
    assert on_cuda.provider == "CUDAExecutionProvider"
    frames, expected = (np.concatenate(t.encode_frames(waves, 8000)) for t in (on_cuda, tokenizer))
    assert (frames == expected).mean() > 0.99


def test_the_codebook_travels_with_the_graph(tiny_model: Path, tokenizer: Tokenizer, rng: np.random.Generator) -> None:
    assert np.array_equal(tokenizer.codebook, checkpoint.load(tiny_model)[0].codebook.numpy())
    codebook = rng.standard_normal((5, 3)).astype(np.float32)
    assert np.array_equal(unpack(pack(codebook)), codebook)


def test_tokenizing_needs_no_torch(tiny_model: Path) -> None:
    code = (
        "import sys, numpy, wav2tok.tokenizer.tokenizer as t;"
        "t.Tokenizer.from_pretrained(sys.argv[1], 'cpu').encode([numpy.ones(4000)], 8000);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny_model)], check=True)
