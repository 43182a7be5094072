"""Where a model is found."""

from pathlib import Path

import pytest

from wav2tok.errors import UserError
from wav2tok.tokenizer.locate import locate
from wav2tok.tokenizer.tokenizer import Tokenizer


def test_a_model_is_a_file_or_a_folder(tiny_model: Path, tmp_path: Path) -> None:
    graph = tiny_model / "tokenizer.onnx"
    assert locate(tiny_model) == locate(str(graph)) == graph
    (tmp_path / "model.onnx").write_bytes(graph.read_bytes())
    assert locate(tmp_path) == tmp_path / "model.onnx"
    same = Tokenizer.from_pretrained(tmp_path, "cpu")
    assert same.identity == Tokenizer.from_pretrained(tiny_model, "cpu").identity


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no tokenizer"):
        locate(tmp_path)
    with pytest.raises(UserError, match="missing does not exist"):
        locate(tmp_path / "missing")
