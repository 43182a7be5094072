"""Labels that the neighbours of a recording do not have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.evaluation import labels
from wav2tok.evaluation.labels import doubts

WORDS = {"yes": [1, 2, 3, 4, 5, 6], "no": [7, 8, 9, 10, 11, 12], "go": [13, 14, 15, 16, 17, 18]}


def corpus(rng, each=12):
    """Takes of three words, in each of which one token is another."""
    strings, names = [], []
    for name, word in WORDS.items():
        for _ in range(each):
            string = np.array(word)
            string[rng.integers(len(word))] = rng.integers(20, 30)
            strings.append(string)
            names.append(name)
    return strings, names


@given(st.integers(0, 1000), st.data())
def test_the_swapped_labels_are_found_with_the_true_ones(seed, data):
    """At most one of a word: two with the same wrong label would vote for each other."""
    strings, true = corpus(np.random.default_rng(seed))
    wrong = {12 * word + data.draw(st.integers(0, 11)) for word in data.draw(st.sets(st.integers(0, 2)))}
    labelled = [data.draw(st.sampled_from(sorted({*WORDS} - {n}))) if i in wrong else n for i, n in enumerate(true)]
    found = doubts(strings, labelled)
    assert {one.recording: one.suggested for one in found} == {i: true[i] for i in wrong}
    assert all(0 <= one.share <= 0.1 < 0.5 <= one.suggested_share <= 1 for one in found)


def test_noise_has_no_label_to_suggest(rng):
    """It is as far from all words, so all of them vote, whichever come first; of its own there are few."""
    strings, names = corpus(rng)
    rare = [np.array([40, 41, 42, 43 + i]) for i in range(labels.FEWEST - 1)]
    noise = np.array([1, 7, 13, 30, 31, 32, 33, 34])
    found = doubts([*strings, *rare, noise], [*names, *["rare"] * len(rare), "rare"])
    assert [(one.recording, one.suggested) for one in found] == [(len(strings) + len(rare), None)]


def test_recordings_that_share_audio_do_not_vote(rng):
    """Eleven windows of one recording under a wrong label vouch for each other, unless it is known that they are."""
    strings, names = corpus(rng)
    windows = set(range(len(strings), len(strings) + 11))
    strings, labelled = [*strings, *[strings[0]] * 11], [*names, *["no"] * 11]
    assert not windows & {one.recording for one in doubts(strings, labelled)}
    sources = [""] * len(names) + ["whole.wav"] * 11
    assert windows <= {one.recording for one in doubts(strings, labelled, sources)}


def test_only_what_is_asked_about_is_judged_and_small_classes_and_empty_strings_never(rng):
    strings, names = corpus(rng)
    names[0], names[20] = "no", "yes"
    assert [one.recording for one in doubts(strings, names, asked=[20, 21])] == [20]
    rare = [*strings, strings[1], np.empty(0, np.int64)]
    assert {one.recording for one in doubts(rare, [*names, "rare", "go"])} == {0, 20}
    assert doubts(strings, ["one"] * len(strings)) == []
    assert doubts([], []) == []


def test_blocks_give_what_one_comparison_gives(rng, monkeypatch):
    strings, names = corpus(rng)
    names[3], names[30] = "no", "yes"
    whole = doubts(strings, names)
    monkeypatch.setattr(labels, "_ROWS", 7)
    assert doubts(strings, names) == whole != []


@pytest.mark.slow
def test_of_real_words_with_one_in_twenty_labels_swapped_nearly_all_are_found(real_data):
    """The figures of docs/pages/howto/own-data.md: six speakers whom the model has not heard, three draws."""
    from wav2tok.audio.find import find
    from wav2tok.tokenizer.tokenizer import Tokenizer

    paths = find(real_data / "words")
    speakers = sorted({path.name.split("_")[0] for path in paths})[-6:]
    paths = [path for path in paths if path.name.split("_")[0] in speakers]
    true = [path.parent.name for path in paths]
    tokenizer = Tokenizer.from_pretrained("wav2tok:speech", "cpu")
    strings = tokenizer.encode_files([str(path) for path in paths])
    found, right, swapped = 0, 0, 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        wrong = set(rng.choice(len(paths), len(paths) // 20, replace=False).tolist())
        other = [sorted(set(true) - {name}) for name in true]
        given_labels = [rng.choice(other[i]) if i in wrong else name for i, name in enumerate(true)]
        doubted = {one.recording: one.suggested for one in doubts(strings, given_labels)}
        found, swapped = found + len(doubted), swapped + len(wrong)
        right += len(wrong & doubted.keys())
    print(f"recall {right / swapped:.3f}, precision {right / found:.3f}")
    assert right / swapped > 0.95
    assert right / found > 0.8
