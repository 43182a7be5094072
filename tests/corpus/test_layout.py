"""Layouts that mislead are named, and ordinary ones are not."""

import pytest

from wav2tok.corpus.layout import doubtful
from wav2tok.corpus.recordings import class_of, group_of


def said(*names: str, by: str = "prefix") -> list[str]:
    return doubtful(names, [*map(class_of, names)], [*map(group_of, names)], by)


def test_an_ordinary_corpus_is_not_doubted() -> None:
    names = [f"{word}/{voice}_{take}.wav" for word in ("yes", "no") for voice in ("ann", "ben") for take in (1, 2)]
    assert said(*names) == said(*(f"{word}/2024/{name}" for word in ("a",) for name in names), by="none") == []


@pytest.mark.promise(
    "A layout that misleads: classes called train and test, background noise as a class, a speaker per file",
    "A warning names it.",
)
@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["train/yes/a_1.wav", "test/yes/a_2.wav"], "'test', 'train' are classes, and called like parts of a split"),
        (["Validation/a_1.wav", "yes/a_2.wav"], "'Validation' is a class, and called like parts of a split"),
        (["north/yes/a_1.wav", "south/yes/a_2.wav"], "the folders 'yes' are in several classes"),
        (["_background_noise_/a_1.wav", "yes/a_2.wav"], "'_background_noise_' is a class; if it is noise"),
        (["yes/a_1.wav", "Yes/a_2.wav"], "the classes 'Yes', 'yes' differ in capitals or spaces alone"),
        (["yes/Ann_1.wav", "yes/ann_2.wav"], "the groups 'Ann', 'ann' differ in capitals or spaces alone"),
        (
            [f"yes/ann-{n}.wav" for n in range(5)],
            "5 of 5 recordings are a group of their own, because their names",
        ),
        ([f"yes/{n}.wav" for n in range(5)], "5 of 5 recordings are a group of their own, because few begin alike"),
    ],
)
def test_each_kind_is_named(names: list[str], says: str) -> None:
    (sentence,) = said(*names)
    assert sentence.startswith(says)
