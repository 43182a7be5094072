"""Many files: in order, in batches, and without being stopped by a bad one."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2tok.audio import ahead, decode
from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.matching.strings import Tokenized
from wav2tok.tokenizer import windowed
from wav2tok.tokenizer.batch import Failure, expand, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer


class Terminal(io.StringIO):
    """Standard input as it is when nothing is piped in."""

    def isatty(self) -> bool:
        return True


def test_strings_come_in_the_order_of_the_files(tokenizer: Tokenizer, tiny_corpus: Path) -> None:
    paths = [str(p) for p in find(tiny_corpus)[::-1]]
    got = list(tokenize_files(paths, tokenizer))
    assert [t.path for t in got] == paths
    for one in got:
        assert isinstance(one, Tokenized)
        wave = decode.read(one.path, 8000)
        frames = tokenizer.encode_frames([wave], 8000)[0]
        assert one.seconds == pytest.approx(len(wave) / 8000, abs=1e-4)
        assert one.tokens.tolist() == tokenizer.encode([wave], 8000)[0].tolist()
        # Token i lasts from its start to the next one's.
        assert np.array_equal(np.repeat(one.tokens, np.diff([*one.starts, len(frames)])), frames)


def test_more_files_than_are_held_at_once(
    tokenizer: Tokenizer, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches end with the file that fills them, and a long file ends one and begins the next."""
    monkeypatch.setattr(tokenizer, "samples_at_once", 20_000)
    monkeypatch.setattr(ahead, "LONG_SAMPLES", 20_000)
    some = [str(p) for p in find(tiny_corpus)]
    lengths = [len(decode.read(path, 8000)) for path in some]
    long = str(tmp_path / "long.wav")
    soundfile.write(long, np.tile(decode.read(some[0], 8000), 6), 8000)
    paths = [*some, *some, some[0], some[1], long, *some]
    batches: list[int] = []
    encode_frames = tokenizer.encode_frames

    def counted(waveforms: list[np.ndarray], rate: int) -> list[np.ndarray]:
        batches.append(len(waveforms))
        return encode_frames(waveforms, rate)

    monkeypatch.setattr(tokenizer, "encode_frames", counted)
    got = list(tokenize_files(paths, tokenizer))
    assert [t.path for t in got] == paths
    strings = [t.tokens.tolist() for t in got if isinstance(t, Tokenized)]
    assert strings[: len(some)] == strings[len(some) : 2 * len(some)] == strings[-len(some) :]
    expected, held, count = [], 0, 0
    for n in [*lengths, *lengths, lengths[0], lengths[1], None, *lengths, None]:
        count, held = (count, held) if n is None else (count + 1, held + n)
        if n is None or held >= 20_000:
            expected.append(count)
            count = held = 0
    assert batches == expected


def test_a_bad_file_is_reported_in_its_place(tokenizer: Tokenizer, tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    good = [str(p) for p in find(tiny_corpus)[:2]]
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
    decode.write(tmp_path / "click.wav", np.array([0.5]), 48000)
    good = str(find(tiny_corpus)[0])
    got = list(tokenize_files([str(tmp_path / "click.wav"), good], tokenizer))
    assert [t.path for t in got] == [str(tmp_path / "click.wav"), good]
    assert isinstance(got[1], Tokenized)


def test_a_long_file_is_tokenized_in_its_place(
    tokenizer: Tokenizer, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long file, complete and truncated, between short ones and one that is not audio."""
    monkeypatch.setattr(ahead, "LONG_SAMPLES", 20_000)
    monkeypatch.setattr(decode, "BLOCK_SAMPLES", 9000)
    monkeypatch.setattr(windowed, "CORE_FRAMES", 64)
    monkeypatch.setattr(windowed, "MARGIN_FRAMES", 64)
    monkeypatch.setattr(windowed, "FEATURE_FRAMES", 48)
    good = [str(path) for path in find(tiny_corpus)]
    joined = np.concatenate([decode.read(path, 8000) for path in good])
    long, cut, bad = (str(tmp_path / name) for name in ("long.flac", "cut.flac", "bad.wav"))
    soundfile.write(long, joined, 8000)
    content = Path(long).read_bytes()
    Path(cut).write_bytes(content[: len(content) // 2])
    Path(bad).write_text("no audio")
    paths = [good[0], bad, long, good[1], cut, long, bad, good[2], good[3]]
    long_ones: list[str] = []
    encode_blocks = tokenizer.encode_blocks
    monkeypatch.setattr(tokenizer, "encode_blocks", lambda blocks: long_ones.append("") or encode_blocks(blocks))
    got = list(tokenize_files(paths, tokenizer))
    assert len(long_ones) == 3
    assert [t.path for t in got] == paths
    assert [isinstance(t, Failure) for t in got] == [path in (bad, cut) for path in paths]
    for one in got:
        if isinstance(one, Failure):
            assert Path(one.path).name in one.error
            continue
        wave = decode.read(one.path, 8000)
        (frames,) = tokenizer.encode_frames([wave], 8000)  # in one piece: its own bound is not changed
        assert one.seconds == pytest.approx(len(wave) / 8000, abs=1e-4)
        spread = np.repeat(one.tokens, np.diff([*one.starts, len(frames)]))
        assert (spread == frames).mean() >= (0.99 if one.path == long else 1)
    assert len(long_ones) == 3


def test_folders_and_standard_input_stand_for_their_files(tiny_corpus: Path) -> None:
    listed = io.StringIO("one.wav\n\n  \ntwo words.wav\n")
    got = expand(["a.wav", str(tiny_corpus / "arch"), "-"], listed)
    assert got == ["a.wav", *map(str, find(tiny_corpus / "arch")), "one.wav", "two words.wav"]
    assert expand([], io.StringIO("x.wav\ny.wav")) == ["x.wav", "y.wav"]


def test_nothing_to_read_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no PATH"):
        expand([], Terminal())
    with pytest.raises(UserError, match="holds no recordings"):
        expand([str(tmp_path)], Terminal())
    assert expand(["a.wav"], Terminal()) == ["a.wav"]
