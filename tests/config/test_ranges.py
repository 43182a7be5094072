"""Every number among the parameters has a range; whatever else is given is refused in one sentence."""

import math
from pathlib import Path
from typing import Any

import pytest

from tests.ranges import NUMBERS, TEXTS, given
from wav2tok.config.parameters import load
from wav2tok.config.schema import Config
from wav2tok.errors import UserError


@pytest.fixture(autouse=True)
def _without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def accepted(key: str, text: str) -> Config | None:
    """The configuration with ``KEY=text`` on the command line; None if one short sentence that names it refuses it."""
    try:
        return load(None, [given(key, text)])
    except UserError as error:
        sentence = str(error)
        assert key.removesuffix("[0]") in sentence or key.rpartition(".")[2] in sentence, (key, text, sentence)
        assert len(sentence.splitlines()) == 1, sentence
        assert len(sentence) < 400, sentence
        return None


def test_the_walk_meets_every_section() -> None:
    assert len(NUMBERS) > 90
    assert {key.partition(".")[0] for key in NUMBERS} >= {
        "seed", "data", "validate", "split", "features", "encoder", "codebook", "augment", "train", "recipes",
        "evaluate", "gate", "export", "register", "schedule",
    }  # fmt: skip


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_has_both_ends(key: str) -> None:
    schema = NUMBERS[key]
    low, high = schema["minimum"], schema.get("maximum", schema.get("exclusiveMaximum"))
    assert -math.inf < low < high < math.inf


@pytest.mark.promise(
    "Any text as the value of a numeric parameter", "It lies in the range of the parameter, or one sentence refuses it."
)
@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_a_value_within_the_range_or_refused(key: str, text: str) -> None:
    config = accepted(key, text)
    if config is not None and text not in ("null", "text"):
        value: Any = float(text)
        assert NUMBERS[key]["minimum"] <= value <= NUMBERS[key].get("maximum", value)


@pytest.mark.promise(
    "Oddities of YAML: 1.8e308, 20,000 brackets, impossible dates, anchors in circles", "One sentence."
)
@pytest.mark.parametrize(
    "text",
    ["1.8e308", "1" * 5000, "0x" + "f" * 5000, "[" * 20_000, "2026-13-45", "!!python/object:os.system x", "&a [*a]",
     "{[1]: 2}", "\x00", '"\\0"', "a" * 5000, "? a", "{a: &a {b: 1}, <<: [*a, *a]}"],
)  # fmt: skip
@pytest.mark.parametrize("key", ["train.epochs", "recipes.staged.learning_rate", "gate.beat", "encoder"])
def test_oddities_of_yaml_are_refused_in_a_sentence(key: str, text: str) -> None:
    assert accepted(key, text) is None


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["features.hop=1"], r"features\.hop is 1 with data\.sample_rate 16000, .* at least 16\.$"),
        (["features.n_mfcc=65"], r"features\.n_mfcc is 65; it must be at most features\.n_mels, 64"),
        (["validate.min_seconds=9", "validate.max_seconds=8"], r"validate\.min_seconds is 9\.0; .*max_seconds, 8"),
    ],
)
def test_values_that_do_not_fit_together(overrides: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load(None, overrides)
