"""The command that builds a ready-made model, on the tiny corpus: it writes what the package's tests ask for."""

import shutil
from pathlib import Path

import pytest

from benchmarks import ready_made as builder
from tests.tokenizer import test_ready_made as shipped
from wav2tok.errors import UserError
from wav2tok.tokenizer import ready_made

SMALL = (
    "encoder.hidden=16",
    "train.epochs=1",
    "train.steps_per_epoch=2",
    "codebook.num_tokens=16",
    "evaluate.bootstrap=20",
)
OPEN = ("gate.min_mrr=0.0", "gate.min_map=0.0", "gate.min_codebook_use=0.0", "gate.beat=[]")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(builder.MODELS))
def test_a_model_and_its_card(name: str, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    into = tmp_path / "models"
    shutil.copytree(tiny_corpus / "arch", tmp_path / "others")
    split = ["--test-groups", "ada,ben", "--also", str(tmp_path / "others")]
    made = builder.build(name, tiny_corpus, tmp_path / "W", into, split, [*SMALL, *OPEN])
    assert sorted(path.name for path in into.iterdir()) == [f"{name}.md", f"{name}.onnx"]
    monkeypatch.setattr(ready_made, "FOLDER", into)
    shipped.test_a_model_of_the_package_is_small_and_whole(f"wav2tok:{name}")
    shipped.test_a_model_of_the_package_has_its_card(f"wav2tok:{name}")
    text = made.with_suffix(".md").read_text()
    assert str(tmp_path) not in text
    assert str(tiny_corpus.parent) not in text
    assert f"ready_made {name} corpus '--split=--test-groups ada,ben --also others' --set=encoder.hidden=16" in text
    assert "| `mrr` | " in text
    assert "wav2tok, edit distance" in text


@pytest.mark.slow
def test_a_model_that_the_gate_refuses_is_not_written(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="the gate refuses speech: "):
        builder.build("speech", tiny_corpus, tmp_path / "W", tmp_path / "models", (), [*SMALL, "gate.min_map=1"])
    assert not (tmp_path / "models").exists()


def test_the_facts_are_sentences() -> None:
    for facts in builder.MODELS.values():
        for text in (facts.purpose, facts.data, facts.use, *facts.limits):
            assert text.endswith(".")
            assert "  " not in text
