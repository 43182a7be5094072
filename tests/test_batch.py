"""Many files: in order, in batches, and none held up by a bad one."""

import io
from pathlib import Path

import numpy as np
import pytest

from wav2tok import audio
from wav2tok.batch import FILES_AT_ONCE, Failure, Tokenized, expand, tokenize_files
from wav2tok.errors import UserError
from wav2tok.tokenizer import Tokenizer


class Terminal(io.StringIO):
    """Standard input as it is when nothing is piped in."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)


def test_strings_come_in_the_order_of_the_files(tokenizer: Tokenizer, tiny_corpus: Path) -> None:
    paths = [str(p) for p in audio.find(tiny_corpus)[::-1]]
    got = list(tokenize_files(paths, tokenizer))
    assert [t.path for t in got] == paths
    for one in got:
        assert isinstance(one, Tokenized)
        wave = audio.read(one.path, 8000)
        frames = tokenizer.encode_frames([wave], 8000)[0]
        assert one.seconds == pytest.approx(len(wave) / 8000, abs=1e-4)
        assert one.tokens.tolist() == tokenizer.encode([wave], 8000)[0].tolist()
        # Token i lasts from its start to the next one's.
        assert np.array_equal(np.repeat(one.tokens, np.diff([*one.starts, len(frames)])), frames)


def test_more_files_than_are_held_at_once(tokenizer: Tokenizer, tiny_corpus: Path) -> None:
    some = [str(p) for p in audio.find(tiny_corpus)]
    paths = (some * 6)[: 2 * FILES_AT_ONCE + 3]
    got = list(tokenize_files(paths, tokenizer))
    assert [t.path for t in got] == paths
    strings = [t.tokens.tolist() for t in got if isinstance(t, Tokenized)]
    assert strings[: len(some)] == strings[len(some) : 2 * len(some)]


def test_a_bad_file_is_reported_in_its_place(tokenizer: Tokenizer, tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    good = [str(p) for p in audio.find(tiny_corpus)[:2]]
    paths = [str(tmp_path / "bad.wav"), good[0], str(tmp_path / "missing.wav"), good[1]]
    got = list(tokenize_files(paths, tokenizer))
    assert [type(t) for t in got] == [Failure, Tokenized, Failure, Tokenized]
    assert [t.path for t in got] == paths
    assert isinstance(got[2], Failure)
    assert "no such file" in got[2].error


def test_bad_files_alone_and_no_files(tokenizer: Tokenizer, tmp_path: Path) -> None:
    assert [type(t) for t in tokenize_files([str(tmp_path / "missing.wav")], tokenizer)] == [Failure]
    assert list(tokenize_files([], tokenizer)) == []


def test_one_sample_at_a_high_rate_is_no_reason_to_stop(
    tokenizer: Tokenizer, tiny_corpus: Path, tmp_path: Path
) -> None:
    audio.write(tmp_path / "click.wav", np.array([0.5]), 48000)
    good = str(audio.find(tiny_corpus)[0])
    got = list(tokenize_files([str(tmp_path / "click.wav"), good], tokenizer))
    assert [t.path for t in got] == [str(tmp_path / "click.wav"), good]
    assert isinstance(got[1], Tokenized)


def test_folders_and_standard_input_stand_for_their_files(tiny_corpus: Path) -> None:
    listed = io.StringIO("one.wav\n\n  \ntwo words.wav\n")
    got = expand(["a.wav", str(tiny_corpus / "arch"), "-"], listed)
    assert got == ["a.wav", *map(str, audio.find(tiny_corpus / "arch")), "one.wav", "two words.wav"]
    assert expand([], io.StringIO("x.wav\ny.wav")) == ["x.wav", "y.wav"]


def test_nothing_to_read_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no PATH"):
        expand([], Terminal())
    with pytest.raises(UserError, match="holds no recordings"):
        expand([str(tmp_path)], Terminal())
    assert expand(["a.wav"], Terminal()) == ["a.wav"]
