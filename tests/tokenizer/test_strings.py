"""Kept token strings: found again only by the same samples and the same graph."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.model import checkpoint
from wav2tok.release.export import write_onnx
from wav2tok.tokenizer import strings
from wav2tok.tokenizer.strings import Strings
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def waves(tiny_corpus: Path) -> list[np.ndarray]:
    return [decode.read(path, 8000) for path in find(tiny_corpus)[:6]]


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "wav2tok" / "strings"


def encoded(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What ``tokenizer`` is asked to encode from now on."""
    asked: list[np.ndarray] = []
    encode = tokenizer.encode

    def recorded(waveforms: list[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        asked.extend(waveforms)
        return encode(waveforms, sample_rate)

    monkeypatch.setattr(tokenizer, "encode", recorded)
    return asked


def test_the_next_process_computes_only_what_is_new(
    tokenizer: Tokenizer, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [tokens.tolist() for tokens in tokenizer.encode(waves, 8000)]
    first = Strings(tokenizer)
    assert [tokens.tolist() for tokens in first.encode(waves[:4])] == expected[:4]
    first.save()
    asked = encoded(tokenizer, monkeypatch)
    assert [tokens.tolist() for tokens in Strings(tokenizer).encode(waves)] == expected
    assert [id(wave) for wave in asked] == [id(wave) for wave in waves[4:]]


def test_changed_samples_are_not_found(
    tokenizer: Tokenizer, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Strings(tokenizer)
    first.encode(waves[:1])
    first.save()
    asked = encoded(tokenizer, monkeypatch)
    changed = waves[0].copy()
    changed[-1] = np.nextafter(changed[-1], np.float32(1))
    longer = np.append(waves[0], np.float32(0))
    Strings(tokenizer).encode([changed, longer])
    assert len(asked) == 2


def test_another_graph_has_strings_of_its_own(
    tokenizer: Tokenizer, tiny_model: Path, waves: list[np.ndarray], tmp_path: Path
) -> None:
    first = Strings(tokenizer)
    first.encode(waves)
    first.save()
    model, config = checkpoint.load(tiny_model, "untrained")[:2]
    write_onnx(model, config, tmp_path / "other.onnx")
    other = Tokenizer(tmp_path / "other.onnx", "cpu", threads=1)
    found = [tokens.tolist() for tokens in Strings(other).encode(waves)]
    assert found == [tokens.tolist() for tokens in other.encode(waves, 8000)]
    assert found != [tokens.tolist() for tokens in tokenizer.encode(waves, 8000)]


def test_another_runtime_has_strings_of_its_own(
    tokenizer: Tokenizer, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Strings(tokenizer)
    first.encode(waves[:1])
    first.save()
    monkeypatch.setattr(onnxruntime, "__version__", "0.0.1")
    asked = encoded(tokenizer, monkeypatch)
    Strings(tokenizer).encode(waves[:1])
    assert len(asked) == 1


@pytest.mark.parametrize("keep", [0, 10, -20])
def test_a_damaged_file_is_not_used(
    keep: int, tokenizer: Tokenizer, waves: list[np.ndarray], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Strings(tokenizer)
    expected = [tokens.tolist() for tokens in first.encode(waves)]
    first.save()
    (path,) = kept.glob("*.npz")
    path.write_bytes(path.read_bytes()[:keep])
    asked = encoded(tokenizer, monkeypatch)
    assert [tokens.tolist() for tokens in Strings(tokenizer).encode(waves)] == expected
    assert len(asked) == len(waves)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    tokenizer: Tokenizer, waves: list[np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "wav2tok").write_text("in the way")
    first = Strings(tokenizer)
    found = first.encode(waves[:1])
    first.save()
    assert found[0].tolist() == tokenizer.encode(waves[:1], 8000)[0].tolist()


def test_the_oldest_go_first(
    tokenizer: Tokenizer, waves: list[np.ndarray], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strings, "KEPT_STRINGS", 2)
    monkeypatch.setattr(strings, "KEPT_FILES", 1)
    kept.mkdir(parents=True)
    (kept / "older.npz").touch()
    first = Strings(tokenizer)
    first.encode(waves)
    first.save()
    assert len([*kept.iterdir()]) == 1
    asked = encoded(tokenizer, monkeypatch)
    Strings(tokenizer).encode(waves)
    assert len(asked) == len(waves) - 2
