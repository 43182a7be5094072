"""Figures of a training run: pictures that show something, whatever columns the history has."""

import numpy as np
import pytest
from matplotlib import image
from matplotlib import pyplot as plt

from wav2tok.audio import decode
from wav2tok.corpus import audios_bin
from wav2tok.report import training
from wav2tok.tokenizer.tokenizer import Tokenizer


def check(path, least=300):
    """Check that it is a PNG of a legible size and not of one colour."""
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    pixels = image.imread(path)
    assert least <= pixels.shape[0] <= 2000
    assert 600 <= pixels.shape[1] <= 3000
    assert pixels[..., :3].std() > 0.01
    for edge in (pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:]):
        assert edge.min() == 1.0  # no title or label is cut
    assert plt.get_fignums() == []  # none is left open
    return pixels


def test_training_draws_what_the_history_has(tmp_path):
    history = [
        {"epoch": e, "loss": 4.0 / e, "triplet": 3.0 / e, "likelihood_back": 2.0 / e if e > 2 else None, "seconds": 1.0,
         "audio_per_second": 9.0, "valid_mrr": 0.1 * e, "valid_map": 0.08 * e,
         "valid_mrr_augmented": 0.09 * e, "valid_map_augmented": 0.07 * e}
        for e in range(1, 6)
    ]  # fmt: skip
    assert training.losses(history) == ["loss", "triplet", "likelihood_back"]
    full = check(training.training(history, tmp_path))
    # Other numbers make another picture; a history with fewer columns, or one epoch, still makes one.
    bare = check(training.training([{"epoch": 1, "loss": 2.0, "valid_mrr": 0.5}], tmp_path))
    assert full.shape != bare.shape or not np.array_equal(full, bare)


@pytest.mark.parametrize("counts", [[5, 0, 3, 9], [0, 0, 0], list(range(256))])
def test_histogram(counts, tmp_path):
    check(training.histogram(np.array(counts), tmp_path))


@pytest.mark.parametrize("seconds", [0.02, 0.3, 9.0])
@pytest.mark.filterwarnings("ignore:Only one segment is calculated")
def test_a_spectrogram_of_any_length(seconds, tiny_model, tmp_path):
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu")
    time = np.arange(int(seconds * tokenizer.sample_rate)) / tokenizer.sample_rate
    wave = (0.3 * np.sin(2 * np.pi * 300 * time * (1 + 0.2 * np.sin(3 * time)))).astype(np.float32)
    frames = tokenizer.encode_frames([wave], tokenizer.sample_rate)[0]
    check(training.spectrogram(wave, tokenizer, frames, "a tone", tmp_path))


def test_digital_silence_is_drawn_too(tiny_model, tmp_path):
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu")
    wave = np.zeros(tokenizer.sample_rate, dtype=np.float32)
    check(training.spectrogram(wave, tokenizer, tokenizer.encode_frames([wave], 8000)[0], "silence", tmp_path))


def test_tokens_are_those_of_the_validation_recordings(tiny_model, tiny_split, tmp_path):
    training.tokens(tiny_model, audios_bin.read(tiny_split), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["spectrogram.png", "tokens.png"]
    drawn = check(tmp_path / "tokens.png")
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu")
    waves = [decode.read(path, 8000) for path in audios_bin.read(tiny_split).valid.paths]
    counts = np.bincount(np.concatenate(tokenizer.encode_frames(waves, 8000)), minlength=tokenizer.num_tokens)
    (tmp_path / "again").mkdir()
    assert np.array_equal(drawn, check(training.histogram(counts, tmp_path / "again")))


def test_the_folder_goes_away():
    with training.folder() as made:
        assert made.is_dir()
    assert not made.exists()
