"""The examples in docstrings run, in a folder with a model, recordings and a query."""

import doctest
import importlib.util
import pkgutil
import shutil
from types import ModuleType

import numpy as np
import pytest

import wav2tok


def _modules() -> list[ModuleType]:
    names = [m.name for m in pkgutil.walk_packages(wav2tok.__path__, "wav2tok.") if m.name != "wav2tok.__main__"]
    # Those need Triton, which torch brings along on Linux only.
    there = importlib.util.find_spec("triton") is not None
    return [wav2tok, *(importlib.import_module(name) for name in names if there or not name.endswith("_cuda"))]


EXAMPLES = [test for module in _modules() for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda test: test.name)
def test_examples_print_what_they_say(example, tiny_model, tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(tiny_model)
    (tmp_path / "recordings").symlink_to(tiny_corpus)
    shutil.copy(tiny_corpus / "arch" / "ada_0.flac", "query.flac")
    example.globs |= {"np": np, "tokenizer": wav2tok.Tokenizer.from_pretrained("model", "cpu")}
    with np.printoptions(threshold=8, edgeitems=2, linewidth=100):
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
    assert result.attempted
    assert not result.failed


def test_the_public_api_has_examples():
    names = {test.name for test in EXAMPLES}
    assert {"wav2tok.tokenizer.tokenizer.Tokenizer", "wav2tok.search.index.Index"} <= names
