"""From a recording to a query: silence around it changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.search.index import Index
from wav2tok.search.query import tokens_of
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)


def test_a_query_has_the_tokens_of_its_file(tokenizer, tiny_corpus):
    for path in decode.find(tiny_corpus)[:5]:
        assert np.array_equal(tokens_of(path, tokenizer), tokenizer.encode_file(path))


def test_silence_around_a_query_changes_no_answer(tokenizer, tiny_corpus, tmp_path):
    index = Index.build([tiny_corpus], tokenizer)
    for path in decode.find(tiny_corpus)[::5]:
        sound, rate = soundfile.read(path, dtype="float32")
        loud = np.flatnonzero(np.abs(sound) > 2e-3 * np.abs(sound).max())
        sound = sound[loud[0] : loud[-1] + 1]
        soundfile.write(tmp_path / "plain.flac", sound, rate)
        around = np.concatenate([np.zeros(2 * rate, np.float32), sound, np.zeros(rate, np.float32)])
        soundfile.write(tmp_path / "around.flac", around, rate)
        plain, quiet = (tokens_of(tmp_path / name, tokenizer) for name in ("plain.flac", "around.flac"))
        assert np.array_equal(plain, quiet)
        assert list(index.search(plain)) == list(index.search(quiet))


def test_silence_around_real_words_changes_no_answer(real_data, tmp_path):
    """The ready-made speech model: each word among 192 others, with seconds of silence around it."""
    tokenizer = Tokenizer.from_pretrained("wav2tok:speech", "cpu", threads=1)
    words = [real_data / "words" / name for name in ("up", "down")]
    index = Index.build(words, tokenizer)
    for path in [path for folder in words for path in decode.find(folder)[::40]]:
        sound, rate = soundfile.read(path, dtype="float32")
        soundfile.write(tmp_path / "around.flac", np.concatenate([np.zeros(rate), sound, np.zeros(2 * rate)]), rate)
        plain, around = (index.search(tokens_of(one, tokenizer), 20) for one in (path, tmp_path / "around.flac"))
        assert around[0].path == plain[0].path == str(path)
        assert len({m.path for m in plain} & {m.path for m in around}) >= 15


def test_a_silent_query_is_refused(tokenizer, tmp_path):
    soundfile.write(tmp_path / "silent.flac", np.zeros(8000), 8000)
    with pytest.raises(UserError, match=r"silent\.flac is silent"):
        tokens_of(tmp_path / "silent.flac", tokenizer)


def test_a_long_query_is_read_in_constant_memory(tokenizer, tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "long.flac", 0.1 * rng.standard_normal((1 << 20) + 8000), 8000)
    assert np.array_equal(tokens_of(tmp_path / "long.flac", tokenizer), tokenizer.encode_file(tmp_path / "long.flac"))
