"""The strings that the tokenizer gives, and how the tiny trained model behaves."""

from pathlib import Path

import numpy as np
import pytest

from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.strings import deduplicate
from wav2tok.tokenizer import whole
from wav2tok.tokenizer.tokenizer import Tokenizer


def test_strings_are_tokens_of_steps_without_repeats(tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    frames, strings = tokenizer.encode_frames(waves, 8000), tokenizer.encode(waves, 8000)
    assert (tokenizer.step, tokenizer.frame_seconds) == (256, 0.032)  # two feature frames
    for wave, one, string in zip(waves, frames, strings, strict=True):
        assert len(one) == len(wave) // 256 + 1
        assert string.tolist() == deduplicate(one).tolist()
        assert len(string) > 0
        assert string.min() >= 0
        assert string.max() < tokenizer.num_tokens


def test_a_batch_gives_each_recording_what_it_gets_alone(tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    waves = [*waves, waves[0][:1], waves[1][:200], np.tile(waves[2], 5)]
    together = tokenizer.encode(waves, 8000)
    alone = [tokenizer.encode([wave], 8000)[0] for wave in waves]
    assert [s.tolist() for s in together] == [s.tolist() for s in alone]


def test_files_give_what_their_waveforms_give(
    tokenizer: Tokenizer, waves: list[np.ndarray], tiny_corpus: Path, tmp_path: Path
) -> None:
    paths = find(tiny_corpus)
    assert [s.tolist() for s in tokenizer.encode_files(paths)] == [s.tolist() for s in tokenizer.encode(waves, 8000)]
    assert tokenizer.encode_file(str(paths[3])).tolist() == tokenizer.encode([waves[3]], 8000)[0].tolist()
    with pytest.raises(UserError, match=r"none\.wav cannot be read as audio \(no such file\)"):
        tokenizer.encode_files([paths[0], tmp_path / "none.wav"])


@pytest.mark.parametrize("gain", [0.1, 0.25, 2.0, 4.0])
def test_a_louder_recording_has_the_same_tokens(tokenizer: Tokenizer, waves: list[np.ndarray], gain: float) -> None:
    plain, louder = tokenizer.encode(waves, 8000), tokenizer.encode([gain * w for w in waves], 8000)
    assert [s.tolist() for s in plain] == [s.tolist() for s in louder]


def test_more_noise_is_a_larger_distance(
    tokenizer: Tokenizer, waves: list[np.ndarray], rng: np.random.Generator
) -> None:
    plain = tokenizer.encode(waves, 8000)
    noises = [rng.standard_normal(len(w)).astype(np.float32) for w in waves]
    means = []
    for level in (0.0, 0.01, 0.3):
        noisy = tokenizer.encode([w + level * noise for w, noise in zip(waves, noises, strict=True)], 8000)
        means.append(float(np.diag(edit_distances(plain, noisy)).mean()))
    assert means[0] == 0 < means[1] < means[2]


def test_silence_before_a_recording_does_not_end_its_string(tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    """A melody after a tenth of a second of silence is still nearer to itself than the other melodies are."""
    silent = [np.concatenate([np.zeros(800, np.float32), w]) for w in waves]
    distances = edit_distances(tokenizer.encode(silent, 8000), tokenizer.encode(waves, 8000))
    own, other = np.diag(distances), distances[~np.eye(len(waves), dtype=bool)]
    assert own.mean() < other.mean()


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_token(
    threads: int, tokenizer: Tokenizer, tiny_model: Path, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [tokens.tolist() for tokens in tokenizer.encode_frames(waves, 8000)]
    shared = Tokenizer.from_pretrained(tiny_model, "cpu", threads=threads)
    for most in (1 << 18, 10_000):
        monkeypatch.setattr(whole, "LANE_SAMPLES", most)
        assert [tokens.tolist() for tokens in shared.encode_frames(waves, 8000)] == expected
