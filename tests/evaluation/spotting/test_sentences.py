"""Spotting as `wav2tok evaluate` runs it: only where sentences are transcribed, with the tokenizer as it is served."""

import dataclasses

import numpy as np
import pytest
import soundfile

from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings, Splits
from wav2tok.errors import UserError
from wav2tok.evaluation.gate import Verdict
from wav2tok.evaluation.held_out import judge
from wav2tok.evaluation.spotting.spot import spot_words
from wav2tok.model import checkpoint
from wav2tok.report import files
from wav2tok.tokenizer.tokenizer import Tokenizer

RATE = 8000
WORDS = {"climbing": (-5, 0, 6), "falling": (7, 1, -5), "archlike": (0, 7, 0)}
"""Semitones over 220 Hz, note by note: melodies that the tiny model was trained on."""
OURS = ["wav2tok", "wav2tok_weighted", "wav2tok_centroid_dtw"]
THEIRS = ["untrained", "kmeans_logmel", "logmel_dtw", "mfcc_dtw"]


def notes(semitones, generator):
    """Notes of somewhat unequal lengths with a little noise, float32 [N]."""
    parts = []
    for note in semitones:
        t = np.arange(int(RATE * 0.12 * generator.uniform(0.9, 1.1))) / RATE
        wave = sum(np.sin(2 * np.pi * h * 220 * 2 ** (note / 12) * t) / h for h in (1, 2, 3))
        parts.append(0.2 * wave * np.minimum(1, np.minimum(t, t[::-1]) / 0.01))
    wave = np.concatenate(parts)
    return (wave + 0.002 * generator.standard_normal(len(wave))).astype(np.float32)


def sentences(folder, count, seed, table=True):
    """Recordings of two of the three words each, with silence and another note around them."""
    generator = np.random.default_rng(seed)
    (folder / "audio").mkdir(parents=True)
    rows, paths = ["utterance\tstart_s\tend_s\tword"], []
    for number in range(count):
        wave = np.zeros(400, np.float32)
        for word in np.roll(list(WORDS), number)[:2]:
            sung = notes(WORDS[word], generator)
            rows.append(f"{number}\t{len(wave) / RATE}\t{(len(wave) + len(sung)) / RATE}\t{word}")
            between = notes(generator.integers(14, 20, 1), generator)
            wave = np.concatenate([wave, sung, np.zeros(400, np.float32), between])
        paths.append(str(folder / "audio" / f"{number}.wav"))
        soundfile.write(paths[-1], wave, RATE)
    if table:
        (folder / "words.tsv").write_text("\n".join(rows) + "\n")
    return Recordings(tuple(paths))


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """(train, test): sentences enough for each word to occur ten times."""
    root = tmp_path_factory.mktemp("sentences")
    return sentences(root / "train", 36, 0), sentences(root / "test", 18, 1)


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return Tokenizer(tiny_model / "tokenizer.onnx", "cpu", threads=1)


@pytest.fixture(scope="module")
def untrained(tiny_model):
    return checkpoint.load(tiny_model, "untrained")[0]


def test_words_are_spotted_where_there_are_transcripts(parts, tokenizer, untrained, tiny_config, lines):
    found = spot_words(*parts, tokenizer, untrained, tiny_config)
    assert found is not None
    assert list(found.systems) == OURS + THEIRS
    assert (found.sentences, found.words, found.queries) == (18, 3, 30)
    assert found.bootstrap == tiny_config.evaluate.bootstrap
    scores = {name: system.scores for name, system in found.systems.items()}
    # Two sentences of three hold the word: what ranks by chance has a MAP of about 0.65.
    assert scores["mfcc_dtw"]["map"].value > 0.95
    assert scores["wav2tok_centroid_dtw"]["map"].value > 0.75
    assert scores["wav2tok_centroid_dtw"]["map"].value > scores["untrained"]["map"].value
    assert any(line.startswith("spotting 30 words in 18 sentences: wav2tok") for line in lines)
    assert files.spotting_summary(found)["counts"] == {"sentences": 18, "queries": 30, "words": 3}


def test_without_an_untrained_encoder_the_tokenizer_is_judged_alone_and_the_same(
    parts, tokenizer, untrained, tiny_config
):
    alone = spot_words(*parts, tokenizer, None, tiny_config)
    compared = spot_words(*parts, tokenizer, untrained.train(), tiny_config)
    assert alone is not None
    assert compared is not None
    assert list(alone.systems) == OURS
    for name in OURS:
        assert alone.systems[name].scores == compared.systems[name].scores


def test_the_seed_and_the_draws_are_those_of_the_configuration(parts, tokenizer, tiny_config):
    config = dataclasses.replace(tiny_config, seed=3, evaluate=dataclasses.replace(tiny_config.evaluate, bootstrap=7))
    one, other = (spot_words(*parts, tokenizer, None, c) for c in (config, tiny_config))
    assert one is not None
    assert other is not None
    assert (one.bootstrap, other.bootstrap) == (7, 50)
    assert one.systems["wav2tok"].scores != other.systems["wav2tok"].scores  # other occurrences ask


@pytest.mark.parametrize("which", ["train", "test", "both"])
def test_no_spotting_without_transcripts_of_both_parts(parts, tokenizer, tiny_config, tmp_path, which, lines):
    bare = sentences(tmp_path / "bare", 2, 2, table=False)
    train, test = (
        bare if which in (part, "both") else transcribed
        for part, transcribed in zip(("train", "test"), parts, strict=True)
    )
    assert spot_words(train, test, tokenizer, None, tiny_config) is None
    assert lines == []


def test_no_spotting_where_one_recording_of_a_part_has_no_transcript(parts, tokenizer, tiny_config, tmp_path):
    bare = sentences(tmp_path / "bare", 1, 2, table=False)
    mixed = Recordings((*parts[1].paths, *bare.paths))
    assert spot_words(parts[0], mixed, tokenizer, None, tiny_config) is None


@pytest.mark.parametrize("which", ["training", "test"])
def test_the_reason_is_logged_where_no_word_is_frequent_enough(parts, tokenizer, tiny_config, tmp_path, which, lines):
    few = sentences(tmp_path / "few", 4, 2)
    train, test = (few, parts[1]) if which == "training" else (parts[0], few)
    assert spot_words(train, test, tokenizer, None, tiny_config) is None
    assert f"no spotting: No word of at least 4 letters occurs 10 times among the 4 {which} sentences" in lines[-1]


def test_an_evaluation_holds_spotting_and_retrieval(parts, tokenizer, tiny_config, tiny_model, tmp_path):
    (train, test), graph = parts, tiny_model / "tokenizer.onnx"
    audios_bin.write(tmp_path / "audios.bin", Splits(train, None, test))
    settings = dataclasses.replace(tiny_config.evaluate, tempos=(0.8,), semitones=(), curve_queries=0, baselines=())
    config = dataclasses.replace(tiny_config, evaluate=settings)
    judged = judge(tmp_path / "audios.bin", tokenizer, graph, config)
    assert judged.spotting is not None
    assert list(judged.spotting.systems) == OURS
    summary = files.summary(judged, Verdict(True, []))
    assert summary["spotting"]["counts"]["queries"] == 30
    assert 0 < summary["spotting"]["wav2tok"]["map"] <= 1


def test_a_malformed_transcript_is_an_error(parts, tokenizer, tiny_config, tmp_path):
    broken = sentences(tmp_path / "broken", 12, 2)
    (tmp_path / "broken" / "words.tsv").write_text("utterance\tword\n0\tclimbing\n")
    with pytest.raises(UserError, match=r"words\.tsv has no column 'start_s'"):
        spot_words(parts[0], broken, tokenizer, None, tiny_config)
