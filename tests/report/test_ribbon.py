"""The ribbon: what is drawn is where the tokens are, in their colours."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from wav2tok.audio import decode
from wav2tok.report import ribbon
from wav2tok.search.index import Index
from wav2tok.tokenizer.tokenizer import Tokenizer

RATE, STEP = 8000, 0.1
FRAMES = np.array([5, 5, 5, 2, 2, 5, 113, 113, 113, 7])


def drawn(seconds: float = 0.95, frames: np.ndarray = FRAMES) -> tuple[list, list, list]:
    """The axes of a ribbon, its segments and its labels."""
    wave = np.sin(np.arange(int(seconds * RATE)) / 3) * np.linspace(0, 0.7, int(seconds * RATE))
    axes = ribbon.draw(wave, RATE, frames, STEP, "a take").axes
    return axes, list(axes[1].patches), list(axes[1].texts)


def test_segments_are_the_runs_and_end_with_the_recording():
    _, segments, _ = drawn()
    edges = [(s.get_x(), s.get_x() + s.get_width()) for s in segments]
    assert np.allclose(edges, [(0, 0.3), (0.3, 0.5), (0.5, 0.6), (0.6, 0.9), (0.9, 0.95)])


def test_equal_tokens_have_equal_colours_and_others_not():
    _, segments, _ = drawn()
    shown = [to_rgb(s.get_facecolor()) for s in segments]
    assert shown[0] == shown[2] == to_rgb(ribbon.colour(5))
    assert len(set(shown)) == 4


def test_tokens_near_each_other_in_number_are_told_apart():
    for one, other in itertools.combinations(range(8), 2):
        assert np.abs(np.subtract(ribbon.colour(one), ribbon.colour(other))).max() > 0.1
    assert len({ribbon.colour(token) for token in range(1024)}) == 1024


def test_labels_are_the_tokens_in_the_middle_of_their_segments():
    _, segments, labels = drawn()
    assert [label.get_text() for label in labels] == ["5", "2", "5", "113", "7"]
    for segment, label in zip(segments, labels, strict=True):
        assert label.get_position()[0] == pytest.approx(segment.get_x() + segment.get_width() / 2)


def test_labels_stay_inside_their_segments_and_narrow_segments_have_none():
    frames = np.repeat(np.arange(100, 180), [1, 2, 3, 8] * 20)
    wave = np.zeros(int(len(frames) * STEP * RATE))
    figure = ribbon.draw(wave, RATE, frames, STEP)
    figure.canvas.draw()
    axes = figure.axes[1]
    assert 0 < len(axes.texts) < 80
    by_token = dict(zip(range(100, 180), axes.patches, strict=True))
    for label in axes.texts:
        inner = label.get_window_extent()
        outer = by_token[int(label.get_text())].get_window_extent()
        assert outer.x0 <= inner.x0 < inner.x1 <= outer.x1


def test_the_waveform_shares_the_axis_of_time_and_keeps_its_peaks():
    axes, _, _ = drawn()
    assert axes[0].get_xlim() == axes[1].get_xlim() == (0, 0.95)
    assert axes[0].get_title(loc="left") == "a take"
    (area,) = axes[0].collections
    heights = area.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(0.7, abs=0.01)
    assert heights.min() == pytest.approx(-0.7, abs=0.01)


def test_a_recording_of_one_token():
    _, segments, labels = drawn(0.15, np.array([3, 3]))
    assert [(s.get_x(), s.get_width()) for s in segments] == [(0, pytest.approx(0.15))]
    assert [label.get_text() for label in labels] == ["3"]


def test_segments_begin_where_the_tokenizer_puts_the_tokens(tiny_model, tiny_corpus):
    tokenizer = Tokenizer.from_pretrained(tiny_model)
    path = tiny_corpus / "arch" / "ada_0.flac"
    (entry,) = Index.build([path], tokenizer).entries
    wave = decode.read(path, tokenizer.sample_rate)
    (frames,) = tokenizer.encode_frames([wave], tokenizer.sample_rate)
    segments = ribbon.draw(wave, tokenizer.sample_rate, frames, tokenizer.frame_seconds).axes[1].patches
    assert np.allclose([s.get_x() for s in segments], entry.starts * tokenizer.frame_seconds)
    assert segments[-1].get_x() + segments[-1].get_width() == pytest.approx(entry.seconds, abs=1e-3)
