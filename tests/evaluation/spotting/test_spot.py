"""The spotting protocol on sentences of tones: words are patterns of three notes among other notes."""

import json

import numpy as np
import pytest
import soundfile

from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.evaluation.spotting import spot
from wav2tok.evaluation.spotting.spot import baseline_spotters, build, spot_all, spotters
from wav2tok.report import files, tables

RATE, HOP, NOTE = 8000, 128, 0.08
WORDS = {"uno": (0, 7, 3), "duodo": (9, 2, 6), "trestre": (4, 11, 1)}
DRAWS = {"bootstrap": 50, "seed": 0}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A word of three letters that occurs four times asks, at most three times."""
    for name, value in {"MIN_LETTERS": 3, "MIN_TOKENS": 4, "PER_WORD": 3}.items():
        monkeypatch.setattr(spot, name, value)


def tones(notes, generator):
    """Notes, semitones over 400 Hz, as they would be played: of somewhat unequal lengths, in noise; float32 [N]."""
    parts = []
    for note in notes:
        t = np.arange(int(RATE * NOTE * generator.uniform(0.9, 1.1))) / RATE
        wave = sum(np.sin(2 * np.pi * h * 400 * 2 ** (note / 12) * t) / h for h in (1, 2, 3))
        parts.append(0.2 * wave * np.minimum(1, np.minimum(t, t[::-1]) / 0.01))
    wave = np.concatenate(parts)
    return (wave + 0.002 * generator.standard_normal(len(wave))).astype(np.float32)


def make(folder, count, seed):
    """``count`` sentences, each of two words with other notes before, between and after them; and their words.tsv."""
    generator = np.random.default_rng(seed)
    (folder / "audio").mkdir(parents=True)
    rows = ["utterance\tstart_s\tend_s\tword"]
    for number in range(count):
        pair = [list(WORDS)[i] for i in generator.permutation(3)[:2]]
        wave = np.zeros(0, np.float32)
        for word in ("", pair[0], "", pair[1], ""):
            # Notes that no word has, so that nothing else sounds like one.
            notes = WORDS[word] if word else generator.integers(13, 25, 3)
            part = tones(notes, generator)
            if word:
                rows.append(f"s_{number}\t{len(wave) / RATE:.4f}\t{(len(wave) + len(part)) / RATE:.4f}\t{word}")
            wave = np.concatenate([wave, part])
        soundfile.write(folder / "audio" / f"s_{number}.wav", wave, RATE)
    (folder / "words.tsv").write_text("\n".join(rows) + "\n")
    return Recordings(tuple(str(folder / "audio" / f"s_{number}.wav") for number in range(count)))


def pitches(waveforms):
    """The loudest semitone of each frame: a tokenizer that is right for tones."""
    found = []
    for wave in waveforms:
        wave = np.pad(wave, HOP)
        frames = np.lib.stride_tricks.sliding_window_view(wave, 2 * HOP)[::HOP]
        power = np.abs(np.fft.rfft(frames * np.hanning(2 * HOP), 8192)) ** 2
        peaks = np.fft.rfftfreq(8192, 1 / RATE)[300:2000][power[:, 300:2000].argmax(axis=1)]
        found.append(np.maximum(np.round(12 * np.log2(peaks / 400)) + 12, 0).astype(np.int64))
    return found


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """(train, test) sentences."""
    root = tmp_path_factory.mktemp("tones")
    return make(root / "train", 14, 0), make(root / "test", 12, 1)


def test_the_task(parts, monkeypatch):
    task = build(parts[1], 0, "test")
    assert len(task.queries) == 9  # three words, three of each
    for row, query in enumerate(task.queries):
        contains = [any(word.text == query.word.text for word in words) for words in task.words]
        assert contains[query.sentence]
        contains[query.sentence] = False
        assert task.relevant[row].tolist() == contains
    assert (task.candidates.sum(axis=1) == 11).all()
    assert not (task.relevant & ~task.candidates).any()
    assert build(parts[1], 0, "test").queries == task.queries
    monkeypatch.setattr(spot, "MAX_QUERIES", 5)
    assert len(build(parts[1], 0, "test").queries) == 5
    monkeypatch.setattr(spot, "MIN_LETTERS", 4)  # one more than "uno" has
    assert {query.word.text for query in build(parts[1], 0, "test").queries} == {"duodo", "trestre"}


def test_tone_words_are_found(parts, lines):
    codebook = np.exp(-np.square(np.subtract.outer(np.arange(40), np.arange(40))))  # neighbours are alike
    systems = spotters("pitch", "pitch", pitches, HOP / RATE, codebook)
    train = [soundfile.read(path, dtype="float32")[0] for path in parts[0].paths]
    systems += baseline_spotters(train, 32, RATE, 0)
    found = spot_all(*parts, systems, RATE, **DRAWS)
    assert list(found.systems) == [system.name for system in systems]
    for name in ("pitch", "pitch_weighted", "pitch_centroid_dtw"):
        scores = found.systems[name].scores
        assert [scores[metric].value for metric in ("f1", "map", "mtwv")] == pytest.approx([1, 1, 1]), name
        assert found.systems[name].localized == found.systems[name].training_f1 == 1.0
    for name in ("logmel_dtw", "mfcc_dtw"):
        assert found.systems[name].scores["map"].value > 0.8, name
    # Tones at hop 256 of 8 kHz are 2.5 frames long: strings of k-means tokens find less, but not nothing.
    assert found.systems["kmeans_logmel"].scores["map"].value > 0.4
    assert (found.queries, found.words, found.sentences) == (9, 3, 12)
    assert lines[1].startswith("spotting 9 words in 12 sentences: pitch")

    heading, _, *rows = tables.spotting_with_cost(found).markdown().splitlines()
    assert len(rows) == len(systems)
    assert {line.count("|") for line in rows} == {heading.count("|")}
    numbers = json.loads(json.dumps(files.spotting_summary(found), allow_nan=False))
    assert numbers["pitch"]["f1"] == 1.0
    assert numbers["counts"] == {"sentences": 12, "queries": 9, "words": 3}


def test_the_same_twice(parts):
    systems = spotters("pitch", "pitch", pitches, HOP / RATE)
    one, two = (spot_all(*parts, systems, RATE, **DRAWS) for _ in range(2))
    assert one.systems["pitch"].scores == two.systems["pitch"].scores


def test_a_system_with_empty_strings_finds_nothing(parts):
    def silent(waveforms):
        return [np.zeros(0, np.int64) for _ in waveforms]

    found = spot_all(*parts, spotters("deaf", "deaf", silent, HOP / RATE), RATE, **DRAWS)
    assert {metric: one.value for metric, one in found.systems["deaf"].scores.items()} == dict.fromkeys(
        found.systems["deaf"].scores, 0.0
    )
    assert files.spotting_summary(found)["deaf"]["threshold"] is None


def test_words_that_are_too_rare(parts, monkeypatch):
    monkeypatch.setattr(spot, "MIN_LETTERS", 4)
    monkeypatch.setattr(spot, "MIN_TOKENS", 50)
    with pytest.raises(UserError, match=r"No word of at least 4 letters occurs 50 times among the 12 test sentences"):
        build(parts[1], 0, "test")


def test_a_word_after_the_end_of_its_recording(parts, tmp_path):
    recordings = make(tmp_path / "late", 12, 1)
    table = tmp_path / "late" / "words.tsv"
    heading, *rows = table.read_text().splitlines()
    late = [f"{u}\t{float(a) + 60}\t{float(b) + 60}\t{w}" for u, a, b, w in (row.split("\t") for row in rows)]
    table.write_text("\n".join([heading, *late]))
    with pytest.raises(UserError, match=r"late/audio/s_\d+.wav ends before its word .* fix words.tsv"):
        spot_all(parts[0], recordings, spotters("p", "p", pitches, HOP / RATE), RATE, **DRAWS)
