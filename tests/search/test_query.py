"""From a recording to a query: silence around it changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.search.index import Index
from wav2tok.search.query import tokens_of
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)


def test_a_query_has_the_tokens_of_its_file(tokenizer, tiny_corpus):
    for path in find(tiny_corpus)[:5]:
        assert np.array_equal(tokens_of(path, tokenizer), tokenizer.encode_file(path))


def around(sound: np.ndarray, rate: int) -> np.ndarray:
    """A sound with two seconds of silence before and one after it."""
    return np.concatenate([np.zeros(2 * rate), sound, np.zeros(rate)])


def check_silence(tokenizer: Tokenizer, index: Index, path: Path, folder: Path) -> None:
    """A recording that begins and ends with sound gives the same answers with silence around it."""
    sound, rate = soundfile.read(path)
    # Well above what counts as silence, as resampling moves the edges.
    loud = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
    sound = sound[loud[0] : loud[-1] + 1]
    soundfile.write(folder / "plain.flac", sound, rate)
    soundfile.write(folder / "around.flac", around(sound, rate), rate)
    plain, quiet = (tokens_of(folder / name, tokenizer) for name in ("plain.flac", "around.flac"))
    assert np.array_equal(plain, quiet)
    assert list(index.search(plain)) == list(index.search(quiet))
    assert list(index.spot(plain)) == list(index.spot(quiet))


def test_silence_around_a_query_changes_no_answer(tokenizer, tiny_corpus, tmp_path):
    index = Index.build([tiny_corpus], tokenizer)
    for path in find(tiny_corpus)[::5]:
        check_silence(tokenizer, index, path, tmp_path)


def test_silence_around_real_words_changes_no_answer(real_data, tmp_path):
    tokenizer = Tokenizer.from_pretrained("wav2tok:speech", "cpu", threads=1)
    index = Index.build([real_data / "words" / "up"], tokenizer)
    for path in find(real_data / "words" / "up")[::16]:
        check_silence(tokenizer, index, path, tmp_path)


def test_a_silent_query_is_refused(tokenizer, tmp_path):
    soundfile.write(tmp_path / "silent.flac", np.zeros(8000), 8000)
    with pytest.raises(UserError, match=r"silent\.flac is silent"):
        tokens_of(tmp_path / "silent.flac", tokenizer)


def test_a_long_query_is_read_in_constant_memory(tokenizer, tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "long.flac", 0.1 * rng.standard_normal((1 << 20) + 8000), 8000)
    assert np.array_equal(tokens_of(tmp_path / "long.flac", tokenizer), tokenizer.encode_file(tmp_path / "long.flac"))
