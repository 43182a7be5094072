"""Ready-made models on the command line, with a stand-in: ``wav2tok models``, and every verb that takes ``--model``."""

import json
import shutil

import pytest

from wav2tok.tokenizer import ready_made
from wav2tok.tokenizer.tokenizer import Tokenizer

CARD = "# wav2tok:tiny\n\nMelodies of four bends.\n\n- licence: Apache-2.0\n"


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def tiny(tiny_model, tmp_path, monkeypatch):
    """``wav2tok:tiny`` is the tiny model."""
    monkeypatch.setattr(ready_made, "FOLDER", tmp_path / "models")
    ready_made.FOLDER.mkdir()
    shutil.copy(tiny_model / "tokenizer.onnx", ready_made.FOLDER / "tiny.onnx")
    (ready_made.FOLDER / "tiny.md").write_text(CARD)
    return Tokenizer(tiny_model, "cpu").identity


def test_models_lists_them(tiny, cli):
    done = cli("models")
    assert (done.code, done.err) == (0, "")
    assert lines(done.out) == [
        {
            "model": "wav2tok:tiny",
            "purpose": "Melodies of four bends.",
            "tokens_per_second": 31.25,
            "num_tokens": 8,
            "licence": "Apache-2.0",
        }
    ]
    assert cli("models", "--format", "csv").out.startswith("model,purpose,tokens_per_second,num_tokens,licence\n")


def test_rows_and_details_name_it(tiny, cli, tiny_corpus):
    recording = tiny_corpus / "arch" / "ada_0.flac"
    done = cli("tokenize", recording, "--model", "wav2tok:tiny", "-v")
    assert "loaded Tokenizer('wav2tok:tiny', " in done.err
    made = cli("index", tiny_corpus, "--model", "wav2tok:tiny")
    assert made.code == 0
    assert "tokens by wav2tok:tiny; " in made.err
    found = [cli(verb, recording, "--model", "wav2tok:tiny").out for verb in ("search", "spot")]
    for row in lines("".join([done.out, *found])):
        assert (row["model"], row["identity"]) == ("wav2tok:tiny", tiny)


def test_evaluate_reports_on_it(tiny, cli, tiny_split, folder):
    small = ("--set", "evaluate.bootstrap=20", "--set", "gate.beat=[]")
    done = cli("evaluate", "--data", tiny_split, "--model", "wav2tok:tiny", "--out", "report", "--no-track", *small)
    assert done.code == 0, done.err
    assert "wav2tok:tiny, epoch" in (folder / "report" / "report.html").read_text()


def test_pull_brings_the_card_along(tiny, cli, folder):
    assert cli("pull", "wav2tok:tiny", "--out", "model").code == 0
    assert sorted(path.name for path in (folder / "model").iterdir()) == ["card.md", "tokenizer.onnx"]
    assert (folder / "model" / "card.md").read_text() == CARD
    assert Tokenizer("model", "cpu").identity == tiny


@pytest.mark.parametrize("verb", ["tokenize any.wav --model", "search any.wav --model", "pull"])
def test_an_unknown_name_is_one_sentence(tiny, cli, verb):
    complaint = cli(*verb.split(), "wav2tok:piano").complaint
    name = "MODEL" if verb == "pull" else "--model"
    assert complaint == f"{name}: wav2tok:piano is not a ready-made model; there are wav2tok:tiny."
